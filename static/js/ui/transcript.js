// The list of messages: what the log holds, and behind it what is still in the outbox.
import { h, show } from "./dom.js";
import { MessageView } from "./message.js";
import { drawLine } from "./tutor-lines.js";

/** @typedef {import("../chat/log.js").Message} Message */
/** @typedef {import("../chat/lines.js").TutorLine | import("./tutor-lines.js").ToldLine} TutorLine */
/** @typedef {{message: Message, outgoing?: string, error?: string}} Row */
/**
 * What is drawn: a conversation of one's own, one that is watched, or one that is replayed.
 * @typedef {object} Source
 * @property {Omit<import("../chat/log.js").SessionState, "lines"> & {lines: TutorLine[]}} state
 * @property {import("../chat/outbox.js").Outgoing[]} outbox
 * @property {{phase: string}} line
 */

export class Transcript {
  /** @type {Map<string, MessageView>} */
  #views = new Map();
  /** @type {Map<string, HTMLElement>} */
  #lines = new Map();
  #thinking = h("p", { class: "thinking", "aria-hidden": "true" }, h("i"), h("i"), h("i"), h("span", {}, "Thinking"));

  /** @param {HTMLElement} element @param {import("./message.js").Acts} acts */
  constructor(element, acts) {
    this.element = element;
    this.acts = acts;
    this.#thinking.hidden = true;
  }

  clear() {
    this.#views.clear();
    this.#lines.clear();
    this.element.replaceChildren(this.#thinking);
    this.#thinking.hidden = true;
  }

  /** @param {string} id */
  textOf(id) {
    return this.#views.get(id)?.text ?? "";
  }

  /** Shows the reader a message, if it is here. @param {string} id */
  goTo(id) {
    const element = this.#views.get(id)?.element;
    element?.scrollIntoView({ block: "center" });
    element?.focus({ preventScroll: true });
  }

  /** @param {Source} source @returns {boolean} whether there is anything to see */
  update(source) {
    const { state, outbox } = source;
    const rows = this.#rows(source);
    const idle = state.run === null && outbox.every((entry) => entry.stage === "failed");
    const held = state.control === "tutor" ? { held: true } : {};
    const cutOff = source.line.phase !== "open";
    const kept = new Set(rows.map(({ message }) => message.id));
    for (const [id, view] of this.#views) {
      if (kept.has(id)) continue;
      view.element.remove();
      this.#views.delete(id);
    }
    const elements = rows.map(({ message, outgoing, error }, index) => {
      const view = this.#viewOf(message);
      const standing = { last: index === rows.length - 1, idle, ...held, ...correction(message, state.messages) };
      view.update(message, outgoing ? { ...standing, outgoing, error, cutOff } : standing);
      return view.element;
    });
    this.#withLines(elements, rows, state).forEach((element, index) => this.#place(element, index));
    const spoken = rows.findLast(({ message }) => message.status !== "queued")?.message;
    const waiting = state.run !== null && state.control === "ai" && !(spoken?.author === "assistant" && spoken.text);
    show(this.#thinking, waiting);
    if (this.element.lastChild !== this.#thinking) this.element.append(this.#thinking);
    return rows.length > 0;
  }

  /** @param {HTMLElement[]} elements @param {Row[]} rows @param {Source["state"]} state */
  #withLines(elements, rows, state) {
    const kept = new Set(state.lines.map((line) => line.id));
    for (const [id, element] of this.#lines) {
      if (kept.has(id)) continue;
      element.remove();
      this.#lines.delete(id);
    }
    if (!state.lines.length) return elements;
    // A line may stand behind a message that has no box of its own yet: then it stands behind the one before.
    const at = new Map(rows.map(({ message }, index) => [message.id, index]));
    let index = -1;
    const places = new Map([["", -1], ...state.messages.map(({ id }) => /** @type {const} */ ([id, (index = at.get(id) ?? index)]))]);
    /** @type {HTMLElement[][]} */
    const behind = Array.from({ length: elements.length + 1 }, () => []);
    for (const line of state.lines) behind[(places.get(line.after) ?? -1) + 1].push(this.#lineOf(line, state.you?.id));
    return [...behind[0], ...elements.flatMap((element, each) => [element, ...behind[each + 1]])];
  }

  /** @param {TutorLine} line @param {string} [me] */
  #lineOf(line, me) {
    const element = this.#lines.get(line.id) ?? drawLine(line, me);
    this.#lines.set(line.id, element);
    return element;
  }

  /** @param {Source} source @returns {Row[]} */
  #rows({ state, outbox }) {
    let messages = state.messages;
    // An edit is shown in its place at once: what it replaces, and all after, steps aside.
    for (const { kind, replaces, stage } of outbox) {
      const at = kind === "edit" && stage !== "failed" ? messages.findIndex((message) => message.id === replaces) : -1;
      if (at >= 0) messages = messages.slice(0, at);
    }
    const pending = new Set(outbox.map((entry) => entry.id));
    const rows = messages.filter((message) => !pending.has(message.id) && !isSilent(message)).map((message) => ({ message }));
    const outgoing = outbox.map(({ id, text, files, stage, error }) => ({ message: ownMessage(id, text, files), outgoing: stage, error }));
    return [...rows, ...outgoing];
  }

  /** @param {Message} message */
  #viewOf(message) {
    let view = this.#views.get(message.id);
    if (!view) {
      view = new MessageView(message, this.acts, (id) => this.goTo(id));
      this.#views.set(message.id, view);
    }
    return view;
  }

  /** @param {HTMLElement} element @param {number} index */
  #place(element, index) {
    const there = this.element.children[index];
    if (there !== element) this.element.insertBefore(element, there ?? null);
  }
}

/** An answer that has not begun is not shown as an empty box: the three dots stand for it. @param {Message} message */
function isSilent({ author, status, text }) {
  return author === "assistant" && text === "" && (status === "streaming" || status === "queued");
}

/** What other messages say about this one. @param {Message} message @param {Message[]} all */
function correction({ id, corrects, correctedBy }, all) {
  if (correctedBy) return { corrector: all.find((message) => message.id === correctedBy)?.name ?? "" };
  const latest = corrects && all.find((message) => message.id === corrects)?.correctedBy;
  return latest && latest !== id ? { outdated: true } : {};
}

/** The same object for the same text, so that an unchanged bubble is not drawn again. @type {Map<string, Message>} */
const own = new Map();

/** @param {string} id @param {string} text @param {string[]} [files] @returns {Message} */
function ownMessage(id, text, files = []) {
  const known = own.get(id);
  if (known?.text === text) return known;
  /** @type {Message} */
  const message = { id, author: "student", name: "", text, status: "complete", reason: "", runId: "", createdAt: "", corrects: "", correctedBy: "", files };
  own.set(id, message);
  return message;
}
