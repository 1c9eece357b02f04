// One message on the page: who says it, its text, how it ended, and what can be done with it.
import { Answer } from "../markdown/answer.js";
import { sentence } from "../words.js";
import { copyButton } from "./copy.js";
import { h, icon, say, show } from "./dom.js";

/** @typedef {import("../chat/log.js").Message} Message */
/**
 * @typedef {object} Acts what the reader may do with a message
 * @property {(id: string) => void} edit
 * @property {() => void} again
 * @property {(id: string) => void} retry
 * @property {(id: string) => void} discard
 */
/**
 * @typedef {object} Standing what the rest of the conversation says about this message
 * @property {boolean} last     the last message of all
 * @property {boolean} idle     nothing is being answered
 * @property {string} [outgoing] the stage of a message of one's own that the log does not show yet
 * @property {string} [error]
 * @property {boolean} [cutOff] there is no connection
 */

export class MessageView {
  /** @type {Message | null} */
  #message = null;
  #standing = "";
  #note = h("p", { class: "note" });
  #doing = h("div", { class: "doing" });

  /** @param {Message} message @param {Acts} acts */
  constructor(message, acts) {
    this.acts = acts;
    this.mine = message.author === "student";
    this.body = this.mine ? null : new Answer();
    this.plain = h("div", { class: "said", dir: "auto" });
    this.heading = h("h2", { class: "author" });
    this.element = h("article", { class: `message from-${message.author}`, "data-id": message.id },
      this.heading, this.body ? this.body.element : this.plain, this.#note, this.#doing);
  }

  /** The text as a reader sees it. */
  get text() {
    return (this.body?.element ?? this.plain).innerText;
  }

  /** @param {Message} message @param {Standing} standing */
  update(message, standing) {
    const key = JSON.stringify(standing);
    if (message === this.#message && key === this.#standing) return;
    const before = this.#message;
    this.#message = message;
    this.#standing = key;
    const over = message.status !== "streaming";
    if (this.body) this.body.show(message.text, over);
    else say(this.plain, message.text);
    if (before && before.status === message.status && before.reason === message.reason && key === this.#drawn) return;
    this.#drawn = key;
    this.#dress(message, standing);
  }

  #drawn = "";

  /** @param {Message} message @param {Standing} standing */
  #dress(message, standing) {
    say(this.heading, this.mine ? "You" : message.author === "tutor" ? `${message.name || "Your tutor"} · human tutor` : "fynq");
    this.heading.classList.toggle("sr-only", this.mine);
    this.element.dataset.status = standing.outgoing ?? message.status;
    this.element.classList.toggle("writing", message.status === "streaming" && !this.mine);
    this.element.toggleAttribute("data-last", standing.last);
    this.#dressNote(message, standing);
    this.#doing.replaceChildren(...this.#buttons(message, standing));
  }

  /** @param {Message} message @param {Standing} standing */
  #dressNote(message, standing) {
    const [glyph, text] = this.mine ? ownNote(message, standing) : answerNote(message);
    this.#note.className = `note note-${glyph || "none"}`;
    this.#note.replaceChildren(...(text ? [icon(glyph), h("span", {}, text)] : []));
    show(this.#note, text !== "");
  }

  /** @param {Message} message @param {Standing} standing @returns {Node[]} */
  #buttons(message, standing) {
    if (standing.outgoing === "failed") {
      return [
        button("again", "Try again", () => this.acts.retry(message.id)),
        button("trash", "Remove", () => this.acts.discard(message.id)),
      ];
    }
    if (standing.outgoing || message.status === "streaming" || message.status === "queued") return [];
    const copy = copyButton("Copy message", () => this.#message?.text ?? "");
    if (this.mine) return [copy, ...(standing.idle ? [button("edit", "Edit", () => this.acts.edit(message.id))] : [])];
    const again = message.author === "assistant" && standing.last && standing.idle;
    return [...(message.text ? [copy] : []), ...(again ? [button("again", "Try again", this.acts.again)] : [])];
  }
}

/** @param {string} glyph @param {string} label @param {() => void} act */
function button(glyph, label, act) {
  return h("button", { type: "button", class: "tool", onclick: act, "data-act": label }, icon(glyph), h("span", {}, label));
}

/** @param {Message} message @param {Standing} standing @returns {[string, string]} */
function ownNote(message, { outgoing, error, cutOff }) {
  if (outgoing === "failed") return ["alert", sentence(error ?? "internal")];
  if (outgoing === "queued" && error) return ["clock", sentence(error)];
  if (outgoing === "queued" || (outgoing === "sending" && cutOff)) return ["clock", cutOff ? "Waiting for the connection" : "Waiting to be sent"];
  if (outgoing === "sending") return ["clock", "Sending"];
  if (outgoing === "sent" || message.status === "queued") return ["check", "Sent · waiting for its turn"];
  return message.status === "streaming" ? ["", ""] : ["check", "Sent"];
}

/** @param {Message} message @returns {[string, string]} */
function answerNote({ status, reason }) {
  if (status === "failed") return ["alert", sentence(reason || "internal")];
  if (status === "interrupted") return ["alert", sentence("interrupted")];
  if (status === "stopped") return ["stop", sentence(reason === "taken_over" ? reason : "stopped")];
  return reason === "length" || reason === "safety" ? ["alert", sentence(reason)] : ["", ""];
}
