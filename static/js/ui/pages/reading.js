// Something of the library, to be read: its text, its files, and the pages of those that have words.
import { Answer } from "../../markdown/answer.js";
import { getContent } from "../../net/library.js";
import { askedIn } from "../../places.js";
import { studySets } from "../../net/study.js";
import { h } from "../dom.js";
import { filesPanel, pagesPanel } from "./content-files.js";
import { band, tags } from "./library.js";
import { loaded } from "./parts.js";
import { practice } from "./practice.js";
import { studyDesk } from "./study-desk.js";

/** @typedef {import("../../net/library.js").WholeContent} WholeContent */

/** @param {string} id @param {import("../page-screen.js").PageScreen} frame @returns {Node[]} */
export function readingPage(id, frame) {
  const asked = askedIn(location.hash);
  const whole = loaded(() => getContent(id), (found, again) => {
    frame.entitle(found.title);
    const file = asked.page ? found.files?.find((each) => (asked.file ? each.id === asked.file : each.reading !== "none")) : undefined;
    return [
      file && pagesPanel(found, file, Math.max(1, Number.parseInt(asked.page, 10) || 1), frame),
      text(found),
      found.files?.length ? filesPanel(found, frame.signal, again) : null,
      toPractise(found, frame),
    ];
  });
  whole.classList.add("stack");
  return [h("p", {}, h("a", { href: "#library", class: "link" }, "The whole library")), whole];
}

/** Cards and questions; to those who may write it, what makes them. @param {WholeContent} content @param {import("../page-screen.js").PageScreen} frame */
function toPractise(content, frame) {
  const place = loaded(() => studySets(content.id), (sets, again) => [
    content.editable && studyDesk({ content, signal: frame.signal, again }, sets),
    ...sets.filter((set) => content.editable || set.state === "published").map((set) => practice(set, content.language)),
  ]);
  place.classList.add("stack");
  return place;
}

/** What was written, and what there is to know of it; where there are files it may be neither. @param {WholeContent} found */
function text(found) {
  const words = new Answer();
  words.element.lang = found.language;
  words.show(found.body, true);
  const about = [...tags(found), ...band(found)].map((each) => h("span", { class: "tag" }, each));
  const from = [found.source && `Source: ${found.source}`, found.licence && `Licence: ${found.licence}`].filter(Boolean).join(" · ");
  const edit = found.editable && h("a", { href: `#library/${found.id}/edit`, class: "button plain" }, "Edit");
  if (!found.body && !about.length && !from && !edit) return null;
  return h("section", { class: "panel reading" }, h("h2", { class: "sr-only" }, "Text"), about.length > 0 && h("p", { class: "row-title" }, ...about),
    found.body && words.element, from && h("p", { class: "hint" }, from), edit && h("div", { class: "row-acts" }, edit));
}
