// The list of messages: what the log holds, and behind it what is still in the outbox.
import { h, show } from "./dom.js";
import { MessageView } from "./message.js";

/** @typedef {import("../chat/log.js").Message} Message */
/** @typedef {import("../chat/conversation.js").Conversation} Conversation */

export class Transcript {
  /** @type {Map<string, MessageView>} */
  #views = new Map();
  #thinking = h("p", { class: "thinking", "aria-hidden": "true" }, h("i"), h("i"), h("i"), h("span", {}, "Thinking"));

  /** @param {HTMLElement} element @param {import("./message.js").Acts} acts */
  constructor(element, acts) {
    this.element = element;
    this.acts = acts;
    this.#thinking.hidden = true;
  }

  clear() {
    this.#views.clear();
    this.element.replaceChildren(this.#thinking);
    this.#thinking.hidden = true;
  }

  /** @param {string} id */
  textOf(id) {
    return this.#views.get(id)?.text ?? "";
  }

  /** @param {Conversation} conversation @returns {boolean} whether there is anything to see */
  update(conversation) {
    const { state, outbox } = conversation;
    const rows = this.#rows(conversation);
    const idle = state.run === null && outbox.every((entry) => entry.stage === "failed");
    const cutOff = conversation.line.phase !== "open";
    const kept = new Set(rows.map(({ message }) => message.id));
    for (const [id, view] of this.#views) {
      if (kept.has(id)) continue;
      view.element.remove();
      this.#views.delete(id);
    }
    rows.forEach(({ message, outgoing, error }, index) => {
      const view = this.#viewOf(message);
      const last = index === rows.length - 1;
      view.update(message, outgoing ? { last, idle, outgoing, error, cutOff } : { last, idle });
      this.#place(view.element, index);
    });
    const spoken = rows.findLast(({ message }) => message.status !== "queued")?.message;
    const waiting = state.run !== null && state.control === "ai" && !(spoken?.author === "assistant" && spoken.text);
    show(this.#thinking, waiting);
    if (this.element.lastChild !== this.#thinking) this.element.append(this.#thinking);
    return rows.length > 0;
  }

  /** @param {Conversation} conversation @returns {{message: Message, outgoing?: string, error?: string}[]} */
  #rows({ state, outbox }) {
    let messages = state.messages;
    // An edit is shown in its place at once: what it replaces, and all after, steps aside.
    for (const { kind, replaces, stage } of outbox) {
      const at = kind === "edit" && stage !== "failed" ? messages.findIndex((message) => message.id === replaces) : -1;
      if (at >= 0) messages = messages.slice(0, at);
    }
    const pending = new Set(outbox.map((entry) => entry.id));
    const rows = messages.filter((message) => !pending.has(message.id) && !isSilent(message)).map((message) => ({ message }));
    const outgoing = outbox.map(({ id, text, stage, error }) => ({ message: ownMessage(id, text), outgoing: stage, error }));
    return [...rows, ...outgoing];
  }

  /** @param {Message} message */
  #viewOf(message) {
    let view = this.#views.get(message.id);
    if (!view) {
      view = new MessageView(message, this.acts);
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

/** The same object for the same text, so that an unchanged bubble is not drawn again. @type {Map<string, Message>} */
const own = new Map();

/** @param {string} id @param {string} text @returns {Message} */
function ownMessage(id, text) {
  const known = own.get(id);
  if (known?.text === text) return known;
  /** @type {Message} */
  const message = { id, author: "student", name: "", text, status: "complete", reason: "", runId: "", createdAt: "" };
  own.set(id, message);
  return message;
}
