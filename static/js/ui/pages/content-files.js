// The files of something in the library: to be taken home, and page by page as plain text.
import { readPages } from "../../net/library.js";
import { explain } from "../../words.js";
import { h, say, show } from "../dom.js";
import { inWords, look, take } from "../files.js";
import { taskProgress } from "../progress.js";
import { attempt, button, panel, row } from "./parts.js";

/** @typedef {import("../../net/library.js").ContentFile} ContentFile */
/** @typedef {import("../../net/library.js").WholeContent} WholeContent */

/** @param {string} id @param {ContentFile} file @param {number} page */
const pageAddress = (id, file, page) => `#library/${id}?${new URLSearchParams({ page: String(page), file: file.id })}`;

/** @param {WholeContent} content @param {AbortSignal} signal @param {() => Promise<void>} again when a file has been read */
export function filesPanel(content, signal, again) {
  const rows = (content.files ?? []).map((file) => fileRow(content, file, signal, again));
  return panel("Files", h("ul", { class: "rows", "aria-label": "Files" }, ...rows));
}

/** @param {WholeContent} content @param {ContentFile} file @param {AbortSignal} signal @param {() => Promise<void>} again */
function fileRow(content, file, signal, again) {
  const { id, name, media_type: type, reading } = file;
  const readable = reading === "read" && Boolean(file.read_pages);
  const shown = row({
    title: name,
    below: aboutFile(file),
    acts: [
      readable && h("a", { href: pageAddress(content.id, file, 1), class: "button plain", "aria-label": `Read ${name} here` }, "Read here"),
      type.startsWith("image/") && button("Look", () => look(id), "plain", `Look at ${name}`),
      button("Download", () => take(id), "plain", `Download ${name}`),
    ],
  });
  if (reading === "waiting" && file.task) shown.querySelector(".row-text")?.append(readingProgress(file, signal, again));
  return shown;
}

/** @param {ContentFile} file @returns {string[]} */
export function aboutFile({ size, pages, reading, task }) {
  const many = pages ? [pages === 1 ? "1 page" : `${pages} pages`] : [];
  const state = reading === "failed" ? ["its words could not be read"] : reading === "waiting" && !task ? ["it is still being read"] : [];
  return [inWords(size), ...many, ...state];
}

/** "Reading 37 of 100 pages", live. @param {ContentFile} file @param {AbortSignal} signal @param {() => void} ended */
export function readingProgress({ name, pages, task = "" }, signal, ended) {
  const words = (/** @type {import("../../task.js").Task} */ { status, progress }) => {
    if (status === "queued") return "Waiting to be read";
    return pages ? `Reading ${Math.round(progress * pages)} of ${pages} pages` : "Reading";
  };
  return taskProgress({ id: task }, { label: `Reading ${name}`, signal, words, ended });
}

/**
 * One page after the other; each has an address, and the way back leads through them.
 * @param {WholeContent} content @param {ContentFile} file @param {number} first @param {import("../page-screen.js").PageScreen} frame
 */
export function pagesPanel(content, file, first, frame) {
  const heading = h("h2", { tabindex: "-1" }, `Page ${first}`);
  const text = h("p", { class: "page-text", dir: "auto", lang: content.language }, "Loading…");
  const back = button("Page before", () => turn(at - 1));
  const on = button("Next page", () => turn(at + 1));
  const number = h("input", { id: "page-number", inputmode: "numeric", autocomplete: "off", maxlength: "5", size: "4" });
  const go = h("form", { class: "page-go" }, h("label", { for: "page-number" }, "Go to page"), number, h("button", { class: "plain" }, "Go"));
  let at = first;
  let total = file.pages ?? file.read_pages ?? 1;
  const draw = async (/** @type {number} */ page) => {
    const found = await readPages(content.id, file.id, page);
    if (frame.signal.aborted) return;
    at = page;
    total = found.total;
    say(heading, `${file.name}, page ${at} of ${total}`);
    const words = found.pages.find((each) => each.page === at)?.text.trim() ?? "";
    text.textContent = words || "There are no words on this page. It may be a picture: download the file to see it.";
    text.classList.toggle("hint", !words);
    back.disabled = at <= 1;
    on.disabled = at >= total;
    number.value = String(at);
  };
  const turn = (/** @type {number} */ page) => attempt(async () => {
    await draw(Math.min(Math.max(1, page), total));
    history.pushState(null, "", pageAddress(content.id, file, at));
    heading.focus({ preventScroll: true });
    heading.scrollIntoView({ block: "nearest" });
  });
  go.addEventListener("submit", (event) => {
    event.preventDefault();
    if (/^\d+$/.test(number.value.trim())) turn(Number(number.value));
  });
  draw(first).catch((problem) => {
    text.textContent = problem?.status === 404 ? "This page is not here, or has not been read yet." : explain(problem);
    for (const each of [back, on, go]) show(each, false);
  });
  const acts = h("div", { class: "row-acts" }, back, on, go, button("Download", () => take(file.id), "plain", `Download ${file.name}`));
  return h("section", { class: "panel page-panel", "aria-label": "A page" }, heading, text, acts, h("p", {}, h("a", { href: `#library/${content.id}`, class: "link" }, "All of it")));
}
