// What tutors want to remember about a student, across conversations. The student never sees it.
import { account } from "../../net/identity.js";
import { addNote, changeNote, deleteNote, notesOf } from "../../net/tutoring.js";
import { explain } from "../../words.js";
import { ask } from "../dialog.js";
import { h, say, show } from "../dom.js";
import { attempt, button, pagedList } from "../pages/parts.js";
import { when } from "../when.js";
import { picture } from "./pictures.js";

/** @typedef {import("../../net/tutoring.js").Note} Note */

/** @param {string} student their id @param {() => string} name */
export function notesFold(student, name) {
  const title = h("span", {}, "Notes on the student");
  const body = h("div", { class: "fold-body" });
  const fold = h("details", { class: "desk-fold notes" }, h("summary", {}, picture("note"), title), body);
  // Asked for when somebody wants to read them.
  fold.addEventListener("toggle", () => {
    say(title, `Notes on ${name()}`);
    if (fold.open && !body.childNodes.length) body.append(...notes(student, name));
  });
  return fold;
}

/** @param {string} student @param {() => string} name */
function notes(student, name) {
  /** @type {() => Promise<void>} */
  let refresh = async () => {};
  const place = h("div", {});
  const draw = async () => {
    place.replaceChildren(pagedList({
      load: (cursor) => notesOf(student, cursor),
      row: (note, again) => row(note, again),
      none: "No notes yet.",
      label: `Notes on ${name()}`,
    }));
  };
  refresh = draw;
  draw();
  return [h("p", { class: "hint" }, `For tutors and admins only. ${name()} never sees them.`), writing("", "Keep the note", (text) => addNote(student, text), () => refresh()), place];
}

/** @param {Note} note @param {() => Promise<void>} again */
function row(note, again) {
  const me = account()?.user;
  const mine = note.author?.id === me?.id;
  const text = h("p", { class: "note-text", dir: "auto" }, note.text);
  const change = () => item.replaceChildren(writing(note.text, "Keep the change", (words) => changeNote(note.id, words), again, () => item.replaceChildren(...shown)));
  const erase = async () => {
    const question = h("p", {}, "The note will be gone for good.");
    if (!(await ask({ title: "Delete this note?", body: [question], confirm: "Delete", danger: true }))) return;
    if (await attempt(() => deleteNote(note.id), "Deleted")) await again();
  };
  const edited = note.updated_at !== note.created_at ? " · changed" : "";
  const facts = h("p", { class: "hint" }, `${mine ? "You" : note.author?.name || "A tutor who has left"} · `, when(note.created_at), edited);
  const acts = h("div", { class: "row-acts" }, mine && button("Change", change, "link", "Change this note"), (mine || me?.role === "admin") && button("Delete", erase, "link", "Delete this note"));
  const shown = [text, facts, acts];
  const item = h("li", { class: "a-note" }, ...shown);
  return item;
}

/**
 * @param {string} text @param {string} confirm @param {(text: string) => Promise<any>} keep @param {() => Promise<void> | void} kept
 * @param {() => void} [leave]
 */
function writing(text, confirm, keep, kept, leave) {
  const field = h("textarea", { rows: "2", maxlength: "4000", dir: "auto", "aria-label": text ? "Change the note" : "A new note" });
  const problem = h("p", { class: "field-problem", role: "alert", hidden: true });
  const go = h("button", { class: "plain" }, confirm);
  field.value = text;
  const form = h("form", { class: "note-form", novalidate: true }, field, problem, h("div", { class: "row-acts" }, go, leave && button("Cancel", leave, "quiet")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const words = field.value.trim();
    if (!words || go.disabled) return field.focus();
    go.disabled = true;
    show(problem, false);
    try {
      await keep(words);
      field.value = "";
      await kept();
    } catch (refusal) {
      say(problem, explain(refusal));
      show(problem, true);
    } finally {
      go.disabled = false;
    }
  });
  return form;
}
