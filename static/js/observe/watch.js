// One session that a tutor watches: the line, the log, the guidance and the signals that come over it, and the
// commands that go out. It holds no part of the page; whoever draws it is told when something changed.
import { renewOn, sessionLine } from "../chat/line.js";
import { applyFrame, emptySession, prependMessages } from "../chat/log.js";
import { earlierMessages } from "../net/api.js";
import { account } from "../net/identity.js";
import { whispersOf } from "../net/tutoring.js";
import { uuid7 } from "../net/uuid.js";
import { readDealt } from "./dealt.js";
import { addHistory, applyGuidance } from "./guidance.js";
import { outlived, remember, settle, toFrame, toSayAgain } from "./sent.js";

/** @typedef {import("./sent.js").Sent} Sent */
/** @typedef {{kind: string, level: number, since: string, why: string}} Signal */
/** @typedef {{entry: Sent | null, code: string, message?: string}} Refusal */

export class Watch {
  state = emptySession;
  /** Nothing of a tutor's waits on disk: what could not be sent stays in front of them. @type {never[]} */
  outbox = [];
  /** @type {import("./guidance.js").Whisper[]} */
  guidance = [];
  /** @type {Signal[]} */
  signals = [];
  /** @type {import("./dealt.js").Dealt[]} */
  dealt = [];
  /** @type {{name: string, until: number} | null} */
  typing = null;
  updating = false;
  /** @type {Sent[]} */
  #sent = [];
  #typedAt = 0;

  /**
   * @param {string} id
   * @param {{changed: () => void, refused: (refusal: Refusal) => void, done: (entry: Sent) => void}} listener
   */
  constructor(id, listener) {
    this.id = id;
    this.listener = listener;
    this.socket = sessionLine(id, { seen: () => this.state, receive: (frame) => this.#receive(frame), changed: () => this.listener.changed() });
  }

  open() {
    this.socket.start();
  }

  close() {
    this.socket.stop();
  }

  get line() {
    return this.socket.line;
  }

  get me() {
    return this.state.you?.id ?? account()?.user.id ?? "";
  }

  /** @param {Omit<Sent, "id"> & {id?: string}} command @returns {string} its id; "" if it could not be sent */
  send(command) {
    const entry = { ...command, id: command.id ?? uuid7() };
    if (!this.socket.send(toFrame(entry))) {
      this.listener.refused({ entry, code: "offline" });
      return "";
    }
    this.#sent = remember(this.#sent, { ...entry, at: Date.now() });
    return entry.id;
  }

  /** Said at most every three seconds. */
  tellTyping() {
    if (Date.now() - this.#typedAt < 3000) return;
    this.#typedAt = Date.now();
    this.socket.send({ type: "typing", id: uuid7() });
  }

  async loadEarlier() {
    const page = await earlierMessages(this.id, this.state.messages[0].id);
    this.state = prependMessages(this.state, page.items, page.has_more ?? page.items.length >= 50);
    this.listener.changed();
  }

  /** @param {any} frame */
  #receive(frame) {
    this.state = applyFrame(this.state, frame);
    if (this.state.gap) return this.socket.restart();
    if (frame.ctl) this.#control(frame.ctl);
    const { left, done, refused } = settle(this.#sent, frame, this.me);
    this.#sent = left;
    this.listener.changed();
    for (const entry of done) this.#worked(entry);
    if (refused) this.listener.refused(refused);
  }

  /** @param {any} ctl */
  #control(ctl) {
    this.guidance = applyGuidance(this.guidance, ctl);
    switch (ctl.type) {
      case "ready":
        this.updating = false;
        this.#lookBack();
        // The line counts as open once this frame has been read, and only then takes commands again.
        queueMicrotask(() => this.#sayAgain());
        return;
      case "draining":
        this.updating = true;
        return;
      case "signals":
        this.signals = ctl.items ?? [];
        this.dealt = readDealt(ctl.dealt_with);
        return;
      case "typing":
        this.typing = { name: ctl.who?.name ?? "", until: Date.now() + 5000 };
        setTimeout(() => this.listener.changed(), 5100);
        return;
      case "auth_expiring":
        return renewOn(this.socket);
    }
  }

  #sayAgain() {
    const { late, left } = outlived(this.#sent, Date.now());
    this.#sent = left;
    toSayAgain(left).forEach((entry) => this.socket.send(toFrame(entry)));
    for (const entry of late) this.listener.refused({ entry, code: "too_late" });
  }

  /** @param {Sent} entry */
  #worked(entry) {
    if (entry.type === "take_over" && entry.then) this.send({ type: "say", text: entry.then });
    this.listener.done(entry);
  }

  /** What was whispered before one came; without it the list of what waits still holds. */
  async #lookBack() {
    const page = await whispersOf(this.id).catch(() => null);
    if (!page) return;
    this.guidance = addHistory(this.guidance, page.items);
    this.listener.changed();
  }
}
