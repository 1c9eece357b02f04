// One open conversation: the line to the server, the log that comes over it, and the outbox that goes out.
// It holds no part of the page; whoever draws it is told when something changed.
import { earlierMessages } from "../net/api.js";
import { account } from "../net/identity.js";
import { uuid7 } from "../net/uuid.js";
import { renewOn, sessionLine } from "./line.js";
import { applyFrame, emptySession, prependMessages } from "./log.js";
import * as outbox from "./outbox.js";
import { deleteOutgoing, loadOutbox, saveOutgoing } from "./outbox-store.js";

/** @typedef {import("./outbox.js").Outgoing} Outgoing */

export class Conversation {
  state = emptySession;
  /** @type {Outgoing[]} */
  outbox = [];
  /** What a tutor is typing, and until when that is worth saying. @type {{name: string, until: number} | null} */
  typing = null;
  /** The server is about to restart. */
  updating = false;
  #typedAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #wake;

  /**
   * @param {string} id
   * @param {{changed: () => void, refused: (code: string) => void}} listener
   */
  constructor(id, listener) {
    this.id = id;
    this.user = account()?.user.id ?? "";
    this.listener = listener;
    this.socket = sessionLine(id, { seen: () => this.state, receive: (frame) => this.#receive(frame), changed: () => this.#lineChanged() });
  }

  async open() {
    this.outbox = await loadOutbox(this.user, this.id);
    this.listener.changed();
    this.socket.start();
  }

  close() {
    clearTimeout(this.#wake);
    this.socket.stop();
  }

  get line() {
    return this.socket.line;
  }

  /** @param {string} text @param {string[]} [files] */
  say(text, files = []) {
    return this.#enqueue({ kind: "send", text, files });
  }

  /** Its files stay with it. @param {string} replaces @param {string} text */
  edit(replaces, text) {
    const files = this.state.messages.find((message) => message.id === replaces)?.files ?? [];
    return this.#enqueue({ kind: "edit", text, replaces, files });
  }

  /** @param {string} id */
  retry(id) {
    this.#keep(outbox.markRetry(this.outbox, id));
    this.#sendNext();
  }

  /** @param {string} id */
  discard(id) {
    this.#keep(this.outbox.filter((entry) => entry.id !== id));
  }

  /** @param {"stop" | "regenerate" | "raise_hand" | "lower_hand"} type */
  command(type) {
    const sent = this.socket.send({ type, id: uuid7() });
    if (!sent) this.listener.refused("offline");
    return sent;
  }

  /** The student is writing: said at most every three seconds. */
  tellTyping() {
    if (Date.now() - this.#typedAt < 3000) return;
    this.#typedAt = Date.now();
    this.socket.send({ type: "typing", id: uuid7() });
  }

  async loadEarlier() {
    const page = await earlierMessages(this.id, this.state.messages[0].id);
    const more = page.has_more ?? page.items.length >= 50;
    this.state = prependMessages(this.state, page.items, more);
    this.listener.changed();
  }

  /** @param {{kind: "send" | "edit", text: string, files: string[], replaces?: string}} what */
  async #enqueue(what) {
    /** @type {Outgoing} */
    const entry = { id: uuid7(), user: this.user, session: this.id, stage: "queued", ...what };
    // On disk first: a page that goes away in the next instant must not take the message with it.
    await saveOutgoing(entry);
    this.outbox = [...this.outbox, entry];
    this.listener.changed();
    this.#sendNext();
  }

  #sendNext() {
    clearTimeout(this.#wake);
    if (this.line.phase !== "open") return;
    const due = outbox.nextDue(this.outbox, Date.now());
    if (due && this.socket.send(outbox.toCommand(due))) return this.#keep(outbox.markSending(this.outbox, due.id));
    const wake = outbox.nextWake(this.outbox, Date.now());
    if (wake) this.#wake = setTimeout(() => this.#sendNext(), wake - Date.now() + 50);
  }

  /** @param {any} frame */
  #receive(frame) {
    this.state = applyFrame(this.state, frame);
    if (this.state.gap) return this.socket.restart();
    if (frame.ctl) this.#control(frame.ctl);
    else if (frame.ev?.type === "TEXT_MESSAGE_END") this.#dropSeen(false);
    else if (/^RUN_(FINISHED|ERROR)$/.test(frame.ev?.type)) this.#retryWaiting();
    this.listener.changed();
  }

  /** @param {any} ctl */
  #control(ctl) {
    switch (ctl.type) {
      case "ready":
        this.updating = false;
        return;
      case "draining":
        this.updating = true;
        return;
      case "snapshot":
        return this.#dropSeen(true);
      case "accepted":
        this.#keep(outbox.markAccepted(this.outbox, ctl.id));
        this.#dropSeen(false);
        return this.#sendNext();
      case "error":
        return this.#refused(ctl);
      case "typing":
        this.typing = { name: ctl.who?.name ?? (typeof ctl.who === "string" ? ctl.who : ""), until: Date.now() + 5000 };
        setTimeout(this.listener.changed, 5100);
        return;
      case "auth_expiring":
        return renewOn(this.socket);
    }
  }

  /** @param {any} refusal */
  #refused(refusal) {
    const entry = this.outbox.find((each) => each.id === refusal.command_id);
    if (!entry) return refusal.code === "no_active_run" ? undefined : this.listener.refused(refusal.code);
    this.#keep(outbox.markRefused(this.outbox, entry.id, refusal, Date.now()));
    this.#sendNext();
  }

  /** An answer is over, so the queue has room again. */
  #retryWaiting() {
    const waiting = this.outbox.find((entry) => entry.stage === "queued" && entry.error === "queue_full");
    if (waiting) this.#keep(outbox.markRetry(this.outbox, waiting.id));
    this.#sendNext();
  }

  /** @param {boolean} whole */
  #dropSeen(whole) {
    const seen = this.state.messages.filter((message) => message.author === "student" && message.status !== "streaming");
    this.#keep(outbox.dropSeen(this.outbox, new Set(seen.map((message) => message.id)), whole));
  }

  #lineChanged() {
    if (this.line.phase === "open") this.#sendNext();
    else if (this.line.phase !== "connecting") this.#keep(outbox.markCut(this.outbox));
    this.listener.changed();
  }

  /** Puts `next` in place of the outbox, here and on disk. @param {Outgoing[]} next */
  #keep(next) {
    const before = new Map(this.outbox.map((entry) => [entry.id, entry]));
    for (const entry of next) {
      if (before.get(entry.id) !== entry && entry.stage !== "sending") saveOutgoing(entry);
      before.delete(entry.id);
    }
    for (const id of before.keys()) deleteOutgoing(id);
    this.outbox = next;
    this.listener.changed();
  }
}
