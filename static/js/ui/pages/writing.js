// Writing for students: the text with what it will look like beside it, for whom it is, and its older versions.
import { Answer } from "../../markdown/answer.js";
import { account } from "../../net/identity.js";
import { changeContent, createContent, deleteContent, getContent, getVersion, listVersions, restoreVersion } from "../../net/library.js";
import { Problem } from "../../net/problem.js";
import { listClasses } from "../../net/school.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { form } from "../form.js";
import { toast } from "../toast.js";
import { when } from "../when.js";
import { attaching } from "./attaching.js";
import { languages } from "./languages.js";
import { attempt, button, loaded, pagedList, panel, row } from "./parts.js";

/** @typedef {import("../../net/library.js").WholeContent} WholeContent */
/** @typedef {import("../../net/school.js").Class} Class */

/** @param {string} id "": something new @param {import("../page-screen.js").PageScreen} frame @returns {Node[]} */
export function writingPage(id, frame) {
  if (account()?.user.role === "student") return [h("p", {}, "Only tutors write for the library.")];
  const load = async () => /** @type {const} */ ([id ? await getContent(id) : null, await writableClasses()]);
  const whole = loaded(load, ([found, classes], again) => {
    frame.entitle(found ? `Edit: ${found.title}` : "Write for the library");
    if (found && !found.editable) return [h("p", {}, "Somebody else wrote this. You can read it.")];
    return [desk(found, classes, frame.signal), found && versions(found, again), found && ending(found)];
  });
  whole.classList.add("stack");
  const back = id ? h("a", { href: `#library/${id}`, class: "link" }, "Back to reading") : h("a", { href: "#library", class: "link" }, "The whole library");
  return [h("p", {}, back), whole];
}

/** Those that one teaches; to an admin all. @returns {Promise<Class[]>} */
async function writableClasses() {
  const all = (await listClasses()).items;
  return account()?.user.role === "admin" ? all : all.filter(({ teaching }) => teaching);
}

/** The form with its files, and what it makes of the text. @param {WholeContent | null} found @param {Class[]} classes @param {AbortSignal} signal */
function desk(found, classes, signal) {
  const preview = h("div", { class: "preview" });
  const files = attaching(found?.files ?? [], signal);
  const write = form({ fields: fields(found, classes, () => files.count > 0), confirm: "Save", act: (values) => save(found, classes, values, files) });
  const text = /** @type {HTMLTextAreaElement} */ (write.querySelector("textarea"));
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing;
  const draw = () => {
    const answer = new Answer();
    answer.show(text.value || "*Nothing written yet.*", true);
    preview.replaceChildren(answer.element);
  };
  text.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(draw, 200);
  });
  draw();
  const seen = h("section", { class: "panel", "aria-label": "Preview" }, h("h2", {}, "What students see"), preview);
  return h("div", { class: "writing-desk" }, h("div", { class: "stack" }, files.element, panel("Write", write)), seen);
}

/** @param {WholeContent | null} found @param {Class[]} classes @param {() => boolean} hasFiles @returns {import("../form.js").Field[]} */
function fields(found, classes, hasFiles) {
  const number = { longest: 2, optional: true, wrong: (/** @type {string} */ text) => (/^\d+$/.test(text) && Number(text) <= 20 ? "" : "Please write a number up to 20.") };
  const shared = (/** @type {Class} */ each) => ({
    name: `class-${each.id}`, label: `Only for ${each.name}`, type: /** @type {const} */ ("checkbox"), checked: found?.classes?.includes(each.id) ?? false,
  });
  return [
    { name: "title", label: "Title", value: found?.title, longest: 200 },
    { name: "body", label: "Text", type: "textarea", value: found?.body, optional: hasFiles, hint: "Markdown, with formulas between $ and $ or $$ and $$. It may be empty where there are files." },
    { name: "subject", label: "Subject", value: found?.subject ?? "", longest: 100, optional: true },
    { name: "grade_lowest", label: "From school year", value: String(found?.grade_lowest ?? ""), ...number },
    { name: "grade_highest", label: "Up to school year", value: String(found?.grade_highest ?? ""), ...number },
    { name: "language", label: "Language", type: "select", value: found?.language ?? "en", options: languages(found?.language) },
    { name: "source", label: "Where it is from", value: found?.source ?? "", longest: 500, optional: true },
    { name: "licence", label: "Licence", value: found?.licence ?? "", longest: 100, optional: true, hint: "For example: CC BY 4.0" },
    { name: "state", label: "Who may read it", type: "select", value: found?.state ?? "draft", options: [["draft", "A draft: tutors alone"], ["published", "Published: students too"]] },
    ...classes.map(shared),
  ];
}

/**
 * @param {WholeContent | null} found @param {Class[]} classes @param {import("../form.js").Values} values
 * @param {ReturnType<typeof attaching>} files
 */
async function save(found, classes, values, files) {
  if (!files.isReady) throw new Problem(422, "files_under_way", { detail: "A file is not there yet. Wait for it, try it again, or remove it." });
  const year = (/** @type {string} */ text) => (text === "" ? null : Number(text));
  const content = {
    title: values.title,
    body: values.body,
    subject: values.subject || null,
    grade_lowest: year(values.grade_lowest),
    grade_highest: year(values.grade_highest),
    language: values.language,
    source: values.source || null,
    licence: values.licence || null,
    state: values.state,
    files: files.ids,
    // A class that is not in the list stays ticked: nobody meant to show it to everybody.
    classes: [...classes.filter(({ id }) => values[`class-${id}`] !== "").map(({ id }) => id), ...(found?.classes ?? []).filter((id) => !classes.some((each) => each.id === id))],
  };
  const done = found ? changeContent(found.id, { ...content, version: found.version }) : createContent(content);
  files.keep(true);
  const { id } = await done.catch((problem) => {
    files.keep(false);
    throw found && problem.status === 409 ? new Problem(409, "changed_meanwhile") : problem;
  });
  toast("Saved");
  location.hash = `library/${id}`;
}

/** @param {WholeContent} found @param {() => Promise<void>} changed */
function versions(found, changed) {
  const list = pagedList({
    load: (cursor) => listVersions(found.id, cursor),
    label: "Versions",
    none: "This is the first version.",
    row: ({ version, title, at }) => row({
      title: `Version ${version}`,
      tags: [version === found.version && "This one"],
      below: [title, when(at)],
      acts: version === found.version ? [] : [
        button("Look", () => look(found.id, version), "plain", `Look at version ${version}`),
        button("Put back", () => putBack(found, version, changed), "plain", `Put back version ${version}`),
      ],
    }),
  });
  return panel("Versions", list);
}

/** @param {string} id @param {number} version */
async function look(id, version) {
  await attempt(async () => {
    const old = await getVersion(id, version);
    const text = new Answer();
    text.show(old.body, true);
    // The dialog is closed in the reader's own time.
    void ask({ title: old.title, body: [h("div", { class: "preview" }, text.element)] });
  });
}

/** @param {WholeContent} found @param {number} version @param {() => Promise<void>} changed */
async function putBack(found, version, changed) {
  const words = h("p", {}, "Its text takes the place of this one, which is kept as a version. Who may read it stays as it is.");
  if (!(await ask({ title: `Put back version ${version}?`, body: [words], confirm: "Put back" }))) return;
  await attempt(() => restoreVersion(found.id, version, found.version), "It is back.");
  await changed();
}

/** @param {WholeContent} found */
function ending(found) {
  const erase = async () => {
    const question = h("p", {}, `“${found.title}” and all its versions will be gone for good.`);
    if (!(await ask({ title: "Delete this?", body: [question], confirm: "Delete", danger: true }))) return;
    if (await attempt(() => deleteContent(found.id), "Deleted")) location.hash = "library";
  };
  return panel("The end of it", h("div", { class: "row-acts" }, button("Delete", erase, "plain danger")));
}
