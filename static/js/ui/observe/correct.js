// The editor in which a tutor writes what an answer should have said. The old answer stays, struck through.
import { h, say, show } from "../dom.js";

/** @typedef {import("../../chat/log.js").Message} Message */

/** Longer than that the server refuses it; it counts bytes, so this is only the first fence. */
const longest = 16384;

export class CorrectDialog {
  /** The command under way. */
  #sent = "";

  /** @param {Message} message @param {{student: string, send: (text: string) => string, closed: () => void}} parts */
  constructor(message, { student, send, closed }) {
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    this.field = h("textarea", { id: "correct-text", rows: "10", dir: "auto", maxlength: String(longest), "aria-describedby": "correct-hint" });
    this.field.value = message.text;
    this.go = h("button", { class: "primary" }, "Replace the answer");
    const cancel = h("button", { type: "button", class: "quiet" }, "Cancel");
    const form = h("form", { class: "correct" },
      h("h2", { id: "correct-title" }, "Correct this answer"),
      h("p", { class: "hint", id: "correct-hint" }, `${student} sees your words in its place and the old answer struck through. The AI goes on from yours.`),
      this.problem,
      h("label", { class: "sr-only", for: "correct-text" }, "What the answer should say"),
      this.field,
      h("div", { class: "dialog-acts" }, this.go, cancel),
    );
    this.dialog = h("dialog", { class: "correct-sheet", "aria-labelledby": "correct-title" }, form);
    this.field.addEventListener("input", () => this.#enable(message.text));
    cancel.addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => {
      this.dialog.remove();
      closed();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#complain("");
      this.#sent = send(this.field.value.trim());
      this.go.disabled = this.#sent !== "";
    });
    this.#enable(message.text);
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.field.focus();
    this.field.setSelectionRange(0, 0);
  }

  /** @param {string} id of a command that has worked @returns {boolean} whether it was this one */
  done(id) {
    if (!id || id !== this.#sent) return false;
    this.dialog.close();
    return true;
  }

  /** @param {string} id @param {string} words @returns {boolean} */
  refused(id, words) {
    if (!id || (this.#sent && id !== this.#sent)) return false;
    this.#sent = "";
    this.go.disabled = false;
    this.#complain(words);
    return true;
  }

  close() {
    this.dialog.close();
  }

  /** @param {string} before */
  #enable(before) {
    const text = this.field.value.trim();
    this.go.disabled = text === "" || text === before.trim();
  }

  /** @param {string} text */
  #complain(text) {
    say(this.problem, text);
    show(this.problem, text !== "");
  }
}
