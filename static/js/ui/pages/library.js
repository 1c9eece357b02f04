// The library: what tutors wrote for students, listed and searched, and one of them to be read.
import { Answer } from "../../markdown/answer.js";
import { account } from "../../net/identity.js";
import { getContent, listContent, searchContent } from "../../net/library.js";
import { h } from "../dom.js";
import { when } from "../when.js";
import { loaded, pagedList, panel, row } from "./parts.js";

/** @typedef {import("../../net/library.js").Content} Content */
/** @typedef {import("../../net/library.js").FoundContent} FoundContent */

const writes = () => account()?.user.role !== "student";

/** @returns {Node[]} */
export function libraryPage() {
  const box = h("input", { type: "search", id: "library-search", autocomplete: "off", placeholder: "Search the library", enterkeyhint: "search" });
  const place = h("div", { class: "part" });
  const none = writes() ? "Nothing here yet. What you write here, students can read, and the AI tutor can look up." : "Your tutors have put nothing here yet.";
  const draw = () => {
    const words = box.value.trim();
    const list = words
      ? pagedList({ load: (cursor) => searchContent(words, cursor), row: foundRow, label: "Found in the library", none: "Nothing found." })
      : pagedList({ load: listContent, row: contentRow, label: "The library", none });
    place.replaceChildren(list);
  };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing;
  box.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(draw, 250);
  });
  draw();
  const label = h("label", { class: "sr-only", for: "library-search" }, "Search the library");
  const add = writes() && h("a", { href: "#library/new", class: "button primary" }, "Write something");
  return [panel("Read and find", h("div", { class: "tool-line" }, label, box, add), place)];
}

/** @param {string} id @param {import("../page-screen.js").PageScreen} frame @returns {Node[]} */
export function readingPage(id, frame) {
  const whole = loaded(() => getContent(id), (found) => {
    frame.entitle(found.title);
    const text = new Answer();
    text.element.lang = found.language;
    text.show(found.body, true);
    const about = [...tags(found), ...band(found)].map((each) => h("span", { class: "tag" }, each));
    const from = [found.source && `Source: ${found.source}`, found.licence && `Licence: ${found.licence}`].filter(Boolean).join(" · ");
    const edit = found.editable && h("a", { href: `#library/${found.id}/edit`, class: "button plain" }, "Edit");
    return [h("section", { class: "panel reading" }, h("h2", { class: "sr-only" }, "Text"), h("p", { class: "row-title" }, ...about), text.element, from && h("p", { class: "hint" }, from), edit && h("div", { class: "row-acts" }, edit))];
  });
  return [h("p", {}, h("a", { href: "#library", class: "link" }, "The whole library")), whole];
}

/** @param {Content} content */
function contentRow(content) {
  const { id, title, updated_at: at, author } = content;
  const by = author === undefined ? [] : [author?.name ?? "somebody who has left"];
  const link = h("a", { href: `#library/${id}`, class: "row-link" }, title);
  return row({ title: link, tags: tags(content), below: [...band(content), ...by, when(at)] });
}

/** @param {FoundContent} found */
function foundRow(found) {
  const shown = contentRow(found);
  const pieces = found.excerpt.map(({ text, hit }) => (hit ? h("mark", {}, text) : text));
  shown.querySelector(".row-text")?.append(h("p", { class: "excerpt", dir: "auto", lang: found.language }, ...pieces));
  return shown;
}

/** @param {Content} content @returns {string[]} */
const tags = ({ subject, state }) => [subject ?? "", state === "draft" ? "Draft" : ""].filter(Boolean);

/** For which school years. @param {Content} content @returns {string[]} */
function band({ grade_lowest: lowest, grade_highest: highest }) {
  if (lowest === null && highest === null) return [];
  if (lowest === highest) return [`Year ${lowest}`];
  if (highest === null) return [`From year ${lowest}`];
  return [lowest === null ? `Up to year ${highest}` : `Years ${lowest} to ${highest}`];
}
