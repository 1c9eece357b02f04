// The library: what tutors wrote for students, listed, chosen by subject and school year, and searched.
import { account } from "../../net/identity.js";
import { listContent, searchContent } from "../../net/library.js";
import { askedIn, keepAsked } from "../../places.js";
import { h } from "../dom.js";
import { when } from "../when.js";
import { pagedList, panel, row, select } from "./parts.js";

/** @typedef {import("../../net/library.js").Content} Content */
/** @typedef {import("../../net/library.js").FoundContent} FoundContent */

const writes = () => account()?.user.role !== "student";
const highestYear = 13;

/** @param {import("../page-screen.js").PageScreen} frame @returns {Node[]} */
export function libraryPage(frame) {
  const asked = askedIn(location.hash);
  const box = h("input", { type: "search", id: "library-search", autocomplete: "off", placeholder: "Search the library", enterkeyhint: "search" });
  const subject = select({ label: "Subject", options: subjectsOf([asked.subject ?? ""]), value: asked.subject ?? "" });
  const grade = select({ label: "School year", options: years(asked.grade), value: asked.grade ?? "" });
  const place = h("div", { class: "part" });
  const draw = () => {
    const filter = { subject: subject.value, grade: grade.value };
    const words = box.value.trim();
    const none = filter.subject || filter.grade ? "Nothing for this choice." : writes() ? "Nothing here yet. What you write here, students can read, and the AI tutor can look up." : "Your tutors have put nothing here yet.";
    const list = words
      ? pagedList({ load: (cursor) => searchContent(words, { ...filter, cursor }), row: foundRow, label: "Found in the library", none: "Nothing found." })
      : pagedList({ load: (cursor) => listContent({ ...filter, cursor }), row: (each) => contentRow(each), label: "The library", none });
    place.replaceChildren(list);
  };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing;
  box.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(draw, 250);
  });
  for (const each of [subject, grade]) {
    each.box.addEventListener("change", () => {
      keepAsked("library", { subject: subject.value, grade: grade.value });
      draw();
    });
  }
  draw();
  // Those of the newest; the one that is chosen stays, whatever there is.
  listContent({ limit: 100 }).then(({ items }) => frame.signal.aborted || subject.offer(subjectsOf([subject.value, ...items.map((each) => each.subject ?? "")])), () => {});
  const label = h("label", { class: "sr-only", for: "library-search" }, "Search the library");
  const add = writes() && h("a", { href: "#library/new", class: "button primary" }, "Write something");
  return [panel("Read and find", h("div", { class: "tool-line" }, label, box, add), h("div", { class: "filters" }, subject.element, grade.element), place)];
}

/** Each once, whatever its letters' size. @param {string[]} named @returns {[string, string][]} */
function subjectsOf(named) {
  const known = new Map(named.filter(Boolean).map((name) => [name.toLowerCase(), name]));
  return [["", "All"], ...[...known.values()].sort((a, b) => a.localeCompare(b)).map((name) => /** @type {[string, string]} */ ([name, name]))];
}

/** @param {string} [asked] @returns {[string, string][]} */
function years(asked = "") {
  const all = Array.from({ length: highestYear }, (_, at) => String(at + 1));
  if (/^\d{1,2}$/.test(asked) && !all.includes(asked)) all.push(asked);
  return [["", "All"], ...all.map((year) => /** @type {[string, string]} */ ([year, `Year ${year}`]))];
}

/** @param {Content} content @param {string} [inside] of it, as in an address */
function contentRow(content, inside = "") {
  const { id, title, updated_at: at, author, files = [] } = content;
  const many = files.length ? [files.length === 1 ? "1 file" : `${files.length} files`] : [];
  const by = author === undefined ? [] : [author?.name ?? "somebody who has left"];
  const link = h("a", { href: `#library/${id}${inside}`, class: "row-link" }, title);
  return row({ title: link, tags: tags(content), below: [...band(content), ...many, ...by, when(at)] });
}

/** @param {FoundContent} found */
function foundRow(found) {
  const { page, file } = found;
  const shown = contentRow(found, page ? `?${new URLSearchParams({ page: String(page), ...(file && { file }) })}` : "");
  const pieces = found.excerpt.map(({ text, hit }) => (hit ? h("mark", {}, text) : text));
  const on = page ? [h("b", {}, `Page ${page}: `)] : [];
  shown.querySelector(".row-text")?.append(h("p", { class: "excerpt", dir: "auto", lang: found.language }, ...on, ...pieces));
  return shown;
}

/** @param {Content} content @returns {string[]} */
export const tags = ({ subject, state }) => [subject ?? "", state === "draft" ? "Draft" : ""].filter(Boolean);

/** For which school years. @param {Content} content @returns {string[]} */
export function band({ grade_lowest: lowest, grade_highest: highest }) {
  if (lowest === null && highest === null) return [];
  if (lowest === highest) return [`Year ${lowest}`];
  if (highest === null) return [`From year ${lowest}`];
  return [lowest === null ? `Up to year ${highest}` : `Years ${lowest} to ${highest}`];
}
