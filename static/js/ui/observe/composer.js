// Where a tutor writes, in one of three modes that cannot be taken for each other: each has its own colour, icon,
// words and half-written text. What is whispered is never told to anybody as typing.
import { commandOf, lookOf, looks, modes, tellsTyping } from "../../observe/modes.js";
import { h, say, show } from "../dom.js";
import { picture } from "./pictures.js";

/** @typedef {import("../../observe/modes.js").Mode} Mode */
/** @typedef {import("../../observe/sent.js").Sent} Sent */
/** @typedef {import("../../chat/log.js").SessionState} SessionState */

let count = 0;

export class DeskComposer {
  /** @type {Mode} */
  mode = "whisper";
  #state;
  #student = "the student";
  #open = false;

  /**
   * @param {string} session
   * @param {SessionState} state
   * @param {{send: (command: Omit<Sent, "id">) => string, typing: () => void, handBack: () => void}} parts
   */
  constructor(session, state, parts) {
    this.session = session;
    this.parts = parts;
    this.#state = state;
    const id = `desk-${(count += 1)}`;
    this.choices = new Map(modes.map((mode) => [mode, this.#choice(mode, id)]));
    this.hint = h("p", { class: "desk-hint", id: `${id}-hint` });
    this.field = h("textarea", { id: `${id}-text`, rows: "1", dir: "auto", maxlength: "16384", enterkeyhint: "send", "aria-describedby": `${id}-hint` });
    this.until = h("select", { "aria-label": "How long the AI keeps it in mind" }, h("option", { value: "next" }, "For the next answer"), h("option", { value: "withdrawn" }, "Until I withdraw it"));
    this.back = h("button", { type: "button", class: "plain", onclick: parts.handBack }, "Hand back…");
    this.go = h("button", { class: "primary desk-send" });
    this.label = h("label", { for: `${id}-text`, class: "sr-only" });
    this.told = h("p", { class: "desk-told", role: "status" });
    this.element = h("form", { class: "desk", novalidate: true },
      h("fieldset", { class: "desk-modes" }, h("legend", { class: "sr-only" }, "Who hears it"), ...[...this.choices.values()].map(({ label }) => label)),
      this.hint, this.told, this.label,
      h("div", { class: "desk-row" }, this.field, h("div", { class: "desk-acts" }, this.until, this.back, this.go)),
    );
    this.element.addEventListener("submit", (event) => this.#submit(event));
    this.field.addEventListener("input", () => this.#typed());
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.field.value = this.#draft(this.mode);
    this.#dress();
  }

  /** @param {Mode} mode */
  choose(mode) {
    if (mode === this.mode) return;
    this.mode = mode;
    this.field.value = this.#draft(mode);
    this.#dress();
  }

  focus() {
    this.field.focus({ preventScroll: true });
  }

  /** @param {SessionState} state @param {string} student @param {boolean} open whether there is a line to send over */
  update(state, student, open) {
    const { control, tutor, you } = this.#state;
    const same = control === state.control && tutor?.id === state.tutor?.id && you?.id === state.you?.id;
    this.#state = state;
    if (same && student === this.#student && open === this.#open) return;
    this.#student = student;
    this.#open = open;
    this.#dress();
  }

  /** A text that was refused comes back, unless another was begun meanwhile. @param {Mode} mode @param {string} text */
  putBack(mode, text) {
    if (this.#draft(mode)) return;
    this.#keep(mode, text);
    if (mode === this.mode) this.field.value = text;
    this.#enable();
  }

  /** @param {string} words what became of what was sent; "" for nothing @param {boolean} [wrong] */
  tell(words, wrong = false) {
    say(this.told, words);
    this.told.classList.toggle("wrong", wrong);
  }

  /** @param {Mode} mode @param {string} id */
  #choice(mode, id) {
    const input = h("input", { type: "radio", name: `${id}-mode`, value: mode, checked: mode === this.mode });
    const words = h("span", {}, looks[mode].label);
    input.addEventListener("change", () => this.choose(mode));
    const label = h("label", { class: "mode", "data-mode": mode }, input, picture(looks[mode].glyph), words, h("kbd", { "aria-hidden": "true" }, looks[mode].key));
    return { label, input, words };
  }

  #dress() {
    const look = lookOf(this.mode, this.#state, this.#student);
    const inCharge = lookOf("take_over", this.#state, this.#student).label;
    this.element.dataset.mode = this.mode;
    for (const [mode, { input, words }] of this.choices) {
      input.checked = mode === this.mode;
      say(words, mode === "take_over" ? inCharge : looks[mode].label);
    }
    say(this.hint, look.hint);
    say(this.label, look.label);
    this.field.placeholder = look.placeholder;
    // Not disabled: that would take the focus from under a tutor's hands, and their next letters would be keys.
    this.field.readOnly = !look.able;
    show(this.until, this.mode === "whisper");
    show(this.back, this.mode === "take_over" && inCharge === "You are in charge");
    this.#enable();
  }

  #enable() {
    const look = lookOf(this.mode, this.#state, this.#student);
    const empty = this.field.value.trim() === "";
    this.go.disabled = !this.#open || !look.able || (empty && !look.empty);
    say(this.go, look.empty && !empty ? "Take over and say" : look.send);
  }

  #typed() {
    this.tell("");
    this.#keep(this.mode, this.field.value);
    this.#enable();
    if (this.field.value && tellsTyping(this.mode, this.#state)) this.parts.typing();
  }

  /** @param {SubmitEvent} event */
  #submit(event) {
    event.preventDefault();
    if (this.go.disabled) return;
    const command = commandOf(this.mode, this.field.value, this.#state, { id: "", until: this.until.value });
    if (!command) return;
    const { id: _, ...words } = command;
    const text = this.field.value;
    this.field.value = "";
    this.#keep(this.mode, "");
    if (!this.parts.send(words)) this.putBack(this.mode, text);
    this.#enable();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // While an input method is composing, Enter picks a word: it is not meant for us.
    if (event.isComposing || event.keyCode === 229 || event.key !== "Enter" || event.shiftKey || event.altKey) return;
    event.preventDefault();
    this.element.requestSubmit();
  }

  /** @param {Mode} mode */
  #draft(mode) {
    return sessionStorage.getItem(`fynq.draft.observe.${this.session}.${mode}`) ?? "";
  }

  /** @param {Mode} mode @param {string} text */
  #keep(mode, text) {
    const key = `fynq.draft.observe.${this.session}.${mode}`;
    if (text) sessionStorage.setItem(key, text);
    else sessionStorage.removeItem(key);
  }
}
