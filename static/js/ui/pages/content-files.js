// The files of something in the library: to be taken home, and page by page as plain text.
import { fileNow } from "../../net/files.js";
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
      readable && h("a", { href: pageAddress(content.id, file, 1), class: "button plain", "aria-label": `Read here: ${name}` }, "Read here"),
      type.startsWith("image/") && button("Look", () => look(id), "plain", `Look at ${name}`),
      button("Download", () => take(id), "plain", `Download ${name}`),
    ],
  });
  if (reading === "waiting" && file.task) shown.querySelector(".row-text")?.append(readingProgress(file, signal, again));
  return shown;
}

/** What has no pages of its own is read in parts. @param {ContentFile} file */
const unit = ({ pages }) => (pages ? "page" : "part");

/** @param {string} word */
const capital = (word) => word.replace(/^./, (first) => first.toUpperCase());

/** @param {ContentFile} file @returns {string[]} */
export function aboutFile({ size, pages, reading, task, cut }) {
  const many = pages ? [pages === 1 ? "1 page" : `${pages} pages`] : [];
  if (cut) many.push("longer than can be searched");
  const state = reading === "failed" ? ["its words could not be read"] : reading === "waiting" && !task ? ["it is still being read"] : [];
  return [inWords(size), ...many, ...state];
}

/** "Reading 37 of 100 pages", live. @param {ContentFile} file @param {AbortSignal} signal @param {() => void} ended */
export function readingProgress({ id, name, pages, task = "" }, signal, ended) {
  let of = pages;
  let asking = false;
  let asks = 5;
  const words = (/** @type {import("../../task.js").Task} */ { status, progress }) => {
    if (status === "queued") return "Waiting to be read";
    if (of) return `Reading ${Math.round(progress * of)} of ${of} pages`;
    // How many pages it has is known only after it has come.
    if (!asking && asks-- > 0) {
      asking = true;
      fileNow(id).then((info) => (of = info.pages), () => {}).finally(() => (asking = false));
    }
    return "Reading";
  };
  return taskProgress({ id: task }, { label: `Reading ${name}`, signal, words, ended });
}

/**
 * One page after the other; each has an address, and the way back leads through them.
 * @param {WholeContent} content @param {ContentFile} file @param {number} first @param {import("../page-screen.js").PageScreen} frame
 */
export function pagesPanel(content, file, first, frame) {
  const heading = h("h2", { tabindex: "-1" }, file.name);
  const text = h("p", { class: "page-text", dir: "auto", lang: content.language }, "Loading…");
  const back = button(`${capital(unit(file))} before`, () => turn(at - 1));
  const on = button(`Next ${unit(file)}`, () => turn(at + 1));
  const number = h("input", { id: "page-number", inputmode: "numeric", autocomplete: "off", maxlength: "5", size: "4" });
  const go = h("form", { class: "page-go" }, h("label", { for: "page-number" }, `Go to ${unit(file)}`), number, h("button", { class: "plain" }, "Go"));
  let at = first;
  let total = file.pages ?? file.read_pages ?? 1;
  const draw = async (/** @type {number} */ page) => {
    const found = await readPages(content.id, file.id, page);
    if (frame.signal.aborted) return;
    at = page;
    total = found.total;
    say(heading, total ? `${file.name}, ${unit(file)} ${at} of ${total}` : file.name);
    const words = found.pages.find((each) => each.page === at)?.text.trim() ?? "";
    text.textContent = words || (total ? `There are no words on this ${unit(file)}. It may be a picture: download the file to see it.` : "This file has not been read yet. You can download it.");
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
  return h("section", { class: "panel page-panel", "aria-label": `A ${unit(file)} of a file` }, heading, text, acts, h("p", {}, h("a", { href: `#library/${content.id}`, class: "link" }, "All of it")));
}
