// One message on the page: who says it, its text, how it ended, and what can be done with it.
import { Answer } from "../markdown/answer.js";
import { sentence } from "../words.js";
import { copyButton } from "./copy.js";
import { h, icon, say, show } from "./dom.js";
import { drawFiles } from "./files.js";

/** @typedef {import("../chat/log.js").Message} Message */
/**
 * @typedef {object} Acts what the reader may do with a message; what is missing is not theirs to do
 * @property {(id: string) => void} [edit]
 * @property {() => void} [again]
 * @property {(id: string) => void} [retry]
 * @property {(id: string) => void} [discard]
 * @property {(message: Message) => void} [correct]
 * @property {(file: string) => void} [problems] lists those on a picture of one's own
 * @property {() => string} [student] the student's name, where somebody else reads
 */
/**
 * @typedef {object} Standing what the rest of the conversation says about this message
 * @property {boolean} last     the last message of all
 * @property {boolean} idle     nothing is being answered
 * @property {string} [outgoing] the stage of a message of one's own that the log does not show yet
 * @property {string} [error]
 * @property {boolean} [cutOff] there is no connection
 * @property {boolean} [held]    a tutor speaks, so the model is not asked
 * @property {string} [corrector] who replaced this answer
 * @property {boolean} [outdated] a correction that another one has replaced
 */

export class MessageView {
  /** @type {Message | null} */
  #message = null;
  #standing = "";
  #note = h("p", { class: "note" });
  #doing = h("div", { class: "doing" });

  #correction = h("div", { class: "correction", hidden: true });
  /** @type {HTMLElement | null} */
  #struck = null;

  /** @param {Message} message @param {Acts} acts @param {(id: string) => void} goTo shows another message */
  constructor(message, acts, goTo) {
    this.acts = acts;
    this.goTo = goTo;
    this.mine = message.author === "student";
    this.body = this.mine ? null : new Answer();
    this.plain = h("div", { class: "said", dir: "auto" });
    this.heading = h("h2", { class: "author" });
    this.element = h("article", { class: `message from-${message.author}`, "data-id": message.id, tabindex: "-1" },
      this.heading, this.#correction, drawFiles(message.files, this.mine ? acts.problems : undefined), this.body ? this.body.element : this.plain, this.#note, this.#doing);
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
    else {
      say(this.plain, message.text);
      // A picture needs no words.
      show(this.plain, message.text !== "");
    }
    if (before && before.status === message.status && before.reason === message.reason && before.correctedBy === message.correctedBy && key === this.#drawn) return;
    this.#drawn = key;
    this.#dress(message, standing);
  }

  #drawn = "";

  /** @param {Message} message @param {Standing} standing */
  #dress(message, standing) {
    this.#dressHeading(message);
    this.element.dataset.status = standing.outgoing ?? message.status;
    this.element.classList.toggle("writing", message.status === "streaming" && !this.mine);
    this.element.toggleAttribute("data-last", standing.last);
    this.#dressCorrection(message, standing);
    this.#dressNote(message, standing);
    this.#doing.replaceChildren(...this.#buttons(message, standing));
  }

  /** @param {Message} message */
  #dressHeading(message) {
    const tutor = message.author === "tutor";
    const words = tutor ? `${message.name || "Your tutor"} · human tutor` : this.mine ? this.acts.student?.() || "You" : "fynq";
    this.heading.classList.toggle("sr-only", this.mine && !this.acts.student);
    if (this.heading.textContent !== words) this.heading.replaceChildren(...(tutor ? [icon("person")] : []), h("span", {}, words));
  }

  /** An answer that a tutor replaced stays to be read, struck through. @param {Message} message @param {Standing} standing */
  #dressCorrection({ corrects, correctedBy }, { corrector = "", outdated = false }) {
    const text = correctedBy ? `Corrected by ${corrector || "your tutor"}` : outdated ? "This correction was replaced" : corrects ? "This corrects an answer of the AI" : "";
    const other = correctedBy || corrects;
    show(this.#correction, text !== "");
    const link = other && h("button", { type: "button", class: "link", onclick: () => this.goTo(other) }, correctedBy ? "See the correction" : "See the answer");
    this.#correction.replaceChildren(...(text ? [icon("edit"), h("span", {}, text), link] : []));
    const strike = correctedBy !== "" || outdated;
    if (!this.body || strike === (this.#struck !== null)) return;
    if (strike) {
      this.#struck = h("del", { class: "struck" });
      this.body.element.replaceWith(this.#struck);
      this.#struck.append(this.body.element);
    } else {
      this.#struck?.replaceWith(this.body.element);
      this.#struck = null;
    }
  }

  /** @param {Message} message @param {Standing} standing */
  #dressNote(message, standing) {
    const watched = this.acts.student !== undefined;
    const [glyph, text] = this.mine ? (watched ? theirNote(message) : ownNote(message, standing)) : answerNote(message, watched);
    this.#note.className = `note note-${glyph || "none"}`;
    this.#note.replaceChildren(...(text ? [icon(glyph), h("span", {}, text)] : []));
    show(this.#note, text !== "");
  }

  /** @param {Message} message @param {Standing} standing @returns {Node[]} */
  #buttons(message, standing) {
    const { edit, again, retry, discard, correct } = this.acts;
    if (standing.outgoing === "failed") {
      return [button("again", "Try again", () => retry?.(message.id)), button("trash", "Remove", () => discard?.(message.id))];
    }
    if (standing.outgoing || message.status === "streaming" || message.status === "queued") return [];
    const copy = message.text !== "" && copyButton("Copy message", () => this.#message?.text ?? "");
    if (this.mine) return [...(copy ? [copy] : []), ...(standing.idle && edit ? [button("edit", "Edit", () => edit(message.id))] : [])];
    const model = message.author === "assistant";
    return [
      ...(copy ? [copy] : []),
      ...(model && standing.last && standing.idle && !standing.held && again ? [button("again", "Try again", again)] : []),
      ...(model && message.text && correct ? [button("edit", "Correct", () => correct(this.#message ?? message))] : []),
    ];
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

/** What a tutor is told of a student's message. @param {Message} message @returns {[string, string]} */
const theirNote = ({ status, superseded }) => superseded ? ["again", "Replaced later"] : (status === "queued" ? ["clock", "Waiting for its turn"] : ["", ""]);

/** @param {Message} message @param {boolean} watched @returns {[string, string]} */
function answerNote({ status, reason, superseded }, watched) {
  if (superseded) return ["again", "Replaced later"];
  if (status === "failed") return ["alert", sentence(reason === "storage_unavailable" ? "files_unread" : reason || "internal")];
  if (status === "interrupted") return ["alert", sentence("interrupted")];
  if (status === "stopped" && watched) return ["stop", reason === "taken_over" ? "A tutor took over here." : "This answer was stopped."];
  if (status === "stopped") return ["stop", sentence(reason === "taken_over" ? reason : "stopped")];
  return reason === "length" || reason === "safety" ? ["alert", sentence(reason)] : ["", ""];
}
