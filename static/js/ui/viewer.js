// A picture, large, over the page: it is made larger by button, key or click and moved by scrolling.
import { h, say } from "./dom.js";

const steps = [1, 1.5, 2, 3, 4];

/**
 * The browser's own dialog holds the focus, closes on Esc, and gives the focus back.
 * @param {import("../net/files.js").FileInfo} file
 * @param {() => void} take hands it to the reader
 */
export function openViewer({ name, url, width, height }, take) {
  const image = h("img", { src: url, alt: name, width, height });
  const stage = h("div", { class: "viewer-stage", tabindex: "0", role: "group", "aria-label": `${name}, the picture` }, image);
  const smaller = h("button", { type: "button", class: "quiet", "aria-label": "Smaller", onclick: () => zoom(at - 1) }, "−");
  const larger = h("button", { type: "button", class: "quiet", "aria-label": "Larger", onclick: () => zoom(at + 1) }, "+");
  const size = h("output", { class: "viewer-size" }, "100 %");
  const close = h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Close");
  const foot = h("div", { class: "viewer-foot" }, h("span", { class: "file-name", dir: "auto" }, name), smaller, size, larger,
    h("button", { type: "button", class: "quiet", onclick: take }, "Download"), close);
  const dialog = h("dialog", { class: "viewer", "aria-label": name }, stage, foot);
  let at = 0;
  /** As wide as it is when it fits. */
  let fits = 0;
  const zoom = (/** @type {number} */ to) => {
    at = Math.min(Math.max(0, to), steps.length - 1);
    // What is in the middle stays there.
    const [x, y] = [(stage.scrollLeft + stage.clientWidth / 2) / stage.scrollWidth, (stage.scrollTop + stage.clientHeight / 2) / stage.scrollHeight];
    if (!dialog.hasAttribute("data-zoomed")) fits = image.clientWidth;
    dialog.toggleAttribute("data-zoomed", at > 0);
    image.style.inlineSize = at > 0 ? `${fits * steps[at]}px` : "";
    stage.scrollTo(x * stage.scrollWidth - stage.clientWidth / 2, y * stage.scrollHeight - stage.clientHeight / 2);
    say(size, `${steps[at] * 100} %`);
    smaller.disabled = at === 0;
    larger.disabled = at === steps.length - 1;
    // A button that can do no more has lost the focus.
    if (document.activeElement === document.body) stage.focus();
  };
  image.addEventListener("click", () => zoom(at === 0 ? 2 : 0));
  image.addEventListener("error", () => image.replaceWith(h("p", { role: "alert" }, "This picture can't be shown right now.")));
  dialog.addEventListener("keydown", (event) => {
    const to = /** @type {Record<string, number>} */ ({ "+": at + 1, "=": at + 1, "-": at - 1, 0: 0 })[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    zoom(to);
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  const back = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (document.activeElement === document.body) /** @type {HTMLElement | null} */ (back)?.focus?.({ preventScroll: true });
  });
  smaller.disabled = true;
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
}
