// Where the student writes. Enter sends, Shift+Enter makes a new line, Esc stops the answer.
import { Attachments } from "./attachments.js";
import { byId, icon, show } from "./dom.js";

/** @typedef {ReturnType<Attachments["take"]>} Taken */
/**
 * @typedef {object} Parts
 * @property {(text: string, editing: string | null, files: Taken) => void} send
 * @property {() => void} stop
 * @property {() => void} typing
 * @property {() => void} editLast
 */

export class Composer {
  /** The message that is being edited, if one is. @type {string | null} */
  #editing = null;
  #draftKey = "";
  #before = "";

  /** @param {Parts} parts */
  constructor(parts) {
    this.parts = parts;
    this.field = /** @type {HTMLTextAreaElement} */ (byId("write"));
    this.attachments = new Attachments(() => this.#enable());
    byId("send").append(icon("send"));
    byId("stop").append(icon("stop"));
    byId("stop").addEventListener("click", parts.stop);
    byId("composer").addEventListener("submit", (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      this.#submit();
    });
    this.field.addEventListener("input", () => this.#changed());
    this.field.addEventListener("keydown", (event) => this.#key(event));
    byId("edit-cancel").addEventListener("click", () => this.cancelEdit());
  }

  /** Each conversation keeps its own half-written text. @param {string} place */
  moveTo(place) {
    this.#editing = null;
    show(byId("editing"), false);
    this.attachments.moveTo(place);
    this.#draftKey = `fynq.draft.${place}`;
    this.#put(sessionStorage.getItem(this.#draftKey) ?? "");
  }

  /** @param {string} id @param {string} text */
  edit(id, text) {
    if (!this.#editing) this.#before = this.field.value;
    this.#editing = id;
    show(byId("editing"), true);
    this.#put(text);
    this.focus();
  }

  cancelEdit() {
    if (!this.#editing) return false;
    this.#editing = null;
    show(byId("editing"), false);
    this.#put(this.#before);
    this.focus();
    return true;
  }

  /** @param {string} text */
  putBack(text) {
    this.#put(text);
    this.#changed();
  }

  focus() {
    this.field.focus({ preventScroll: true });
  }

  /** @param {{answering: boolean, allowed: boolean, placeholder: string}} state */
  update({ answering, allowed, placeholder }) {
    show(byId("stop"), answering);
    this.field.disabled = !allowed;
    this.attachments.allow(allowed && !this.#editing);
    if (this.field.placeholder !== placeholder) this.field.placeholder = placeholder;
    this.#enable();
  }

  #submit() {
    const text = this.field.value.trim();
    if (!this.#maySend()) return;
    const editing = this.#editing;
    const files = editing ? { ids: [], back: () => {}, gone: () => {} } : this.attachments.take();
    this.#editing = null;
    show(byId("editing"), false);
    this.#put("");
    sessionStorage.removeItem(this.#draftKey);
    this.parts.send(text, editing, files);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // While an input method is composing, Enter picks a word and Esc drops it: neither is meant for us.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "ArrowUp" && this.field.value === "") {
      event.preventDefault();
      this.parts.editLast();
    }
  }

  #changed() {
    this.#grow();
    this.#enable();
    if (this.#editing) return;
    sessionStorage.setItem(this.#draftKey, this.field.value);
    if (this.field.value) this.parts.typing();
  }

  /** @param {string} text */
  #put(text) {
    this.field.value = text;
    this.#grow();
    this.#enable();
  }

  #enable() {
    byId("send").disabled = !this.#maySend();
  }

  /** What an edit changes are the words; its files stay. */
  #maySend() {
    const written = this.field.value.trim() !== "";
    if (this.field.disabled || this.#editing) return written && !this.field.disabled;
    return this.attachments.isReady && (written || this.attachments.count > 0);
  }

  #grow() {
    if (CSS.supports("field-sizing", "content")) return;
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight}px`;
  }
}
