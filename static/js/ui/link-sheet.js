// A link in an answer was written by a model or brought in by somebody else: where it really goes is shown in
// full before anything opens. What leads to the library stays on the page, and is followed at once.
import { copyButton } from "./copy.js";
import { h } from "./dom.js";

/** @param {HTMLElement} place whose answers are watched */
export function guardLinks(place) {
  for (const kind of ["click", "auxclick"]) {
    place.addEventListener(kind, (event) => {
      const mouse = /** @type {MouseEvent} */ (event);
      const link = /** @type {Element} */ (event.target).closest?.(".answer a[href]");
      if (!link || mouse.button === 2 || link.getAttribute("href")?.startsWith("#library/")) return;
      event.preventDefault();
      showLink(/** @type {HTMLAnchorElement} */ (link).href);
    });
  }
}

/** @param {string} address */
function showLink(address) {
  const url = new URL(address);
  const mail = url.protocol === "mailto:";
  const shown = mail ? [h("strong", {}, url.pathname), url.search] : [`${url.protocol}//`, h("strong", {}, url.host), address.slice(url.origin.length)];
  const open = h("a", { class: "button primary", href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, mail ? "Write an email" : "Open it");
  const stay = h("button", { type: "button", class: "quiet" }, "Stay here");
  const dialog = h("dialog", { class: "link-sheet", "aria-labelledby": "link-title", "aria-describedby": "link-words" },
    h("h2", { id: "link-title" }, mail ? "Write to this address?" : "Leave fynq?"),
    h("p", { id: "link-words" }, mail ? "This opens your mail program." : "This page is not part of fynq, and nobody here has checked it."),
    h("p", { class: "address", dir: "ltr" }, ...shown),
    h("div", { class: "form-acts" }, open, stay, copyButton("Copy the address", () => address)),
  );
  for (const way of [open, stay]) way.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  stay.focus();
}
