// One session that a tutor watches: its history and its live text, who is there, what was whispered, and the place
// to write. It lives in any element: alone on the screen, or beside the wall.
import { draftOf, holder } from "../../observe/modes.js";
import { refusalWords } from "../../observe/refusals.js";
import { Watch } from "../../observe/watch.js";
import { getSession } from "../../net/api.js";
import { markSignal } from "../../net/observe.js";
import { explain, sentence } from "../../words.js";
import { Announcer } from "../announce.js";
import { ask } from "../dialog.js";
import { h, icon, say, show } from "../dom.js";
import { Follow } from "../follow.js";
import { guardLinks } from "../link-sheet.js";
import { toast } from "../toast.js";
import { Transcript } from "../transcript.js";
import { LineSpeaker } from "../tutor-lines.js";
import { DeskComposer } from "./composer.js";
import { CorrectDialog } from "./correct.js";
import { GuidanceList } from "./guidance.js";
import { listenKeys } from "./keys.js";
import { notesFold } from "./notes.js";
import { SessionHead } from "./session-head.js";

/** @typedef {import("../../observe/modes.js").Mode} Mode */
/** @typedef {import("../../observe/sent.js").Sent} Sent */
/** @typedef {import("../../chat/log.js").Message} Message */

/** What is said when a command has worked, where nothing else on the screen shows it. @type {Partial<Record<Sent["type"], string>>} */
const worked = { whisper: "Whispered to the AI.", withdraw: "Withdrawn.", correct: "The answer was replaced." };

export class WatchedSession {
  #frame = 0;
  #settled = false;
  #closed = false;
  #title = "";
  #name = "";
  /** @type {CorrectDialog | null} */
  #editor = null;
  /** @type {() => void} */
  #endKeys = () => {};

  /**
   * @param {HTMLElement} root emptied and filled
   * @param {object} parts
   * @param {string} parts.sessionId
   * @param {() => void} parts.onClose the tutor wants to leave, or there is nothing left to see
   * @param {{student?: string, title?: string}} [parts.known] what is known of it before the server has answered
   * @param {(name: string) => void} [parts.named] the student's name, once it is known
   */
  constructor(root, { sessionId, onClose, known = {}, named }) {
    this.root = root;
    this.id = sessionId;
    this.onClose = onClose;
    this.named = named;
    this.#name = known.student ?? "";
    this.#title = known.title ?? "";
    this.watch = new Watch(sessionId, { changed: () => this.#changed(), refused: (refusal) => this.#refused(refusal), done: (entry) => this.#done(entry) });
    this.announcer = new Announcer(() => this.name);
    this.lines = new LineSpeaker();
    this.head = new SessionHead(sessionId, {
      close: onClose,
      take: () => this.#take(),
      handBack: () => this.#handBack(),
      claim: () => this.watch.send({ type: "claim" }),
      lower: () => this.watch.send({ type: "lower_hand" }),
      stop: () => this.watch.send({ type: "stop" }),
      dealt: (kind) => this.#dealtWith(kind),
    });
    this.guidance = new GuidanceList({ withdraw: (id) => this.watch.send({ type: "withdraw", whisper: id }) });
    this.composer = new DeskComposer(sessionId, this.watch.state, {
      send: (command) => this.watch.send(command),
      typing: () => this.watch.tellTyping(),
      handBack: () => this.#handBack(),
    });
    this.banner = h("p", { class: "watched-banner", role: "status", hidden: true });
    this.earlier = h("button", { type: "button", class: "link earlier", hidden: true, onclick: () => this.#earlier() }, "Show earlier messages");
    const list = h("section", { class: "transcript", "aria-label": "Conversation" });
    const scroller = h("div", { class: "scroller watched-scroller", tabindex: "0", role: "group", "aria-label": "What was said" }, this.earlier, list);
    const jump = h("button", { type: "button", class: "jump", hidden: true, onclick: () => this.follow.jump() }, icon("down"), h("span", {}, "To the newest"));
    this.transcript = new Transcript(list, { student: () => this.name, correct: (message) => this.#correct(message) });
    this.transcript.clear();
    this.folds = h("div", { class: "desk-folds" }, this.guidance.element);
    const bottom = h("div", { class: "watched-bottom" }, jump, this.folds, this.composer.element);
    this.element = h("section", { class: "watched", "aria-label": "The conversation you watch" }, this.head.element, this.banner, scroller, bottom);
    this.root.replaceChildren(this.element);
    this.follow = new Follow(scroller, (away) => show(jump, away));
    guardLinks(list);
  }

  /** The student's name, or a word for it. */
  get name() {
    return this.#name || "the student";
  }

  open() {
    this.#endKeys = listenKeys(this.root, { mode: (mode) => this.focusMode(mode), leave: this.onClose });
    this.#draw();
    this.#lookUp();
    this.watch.open();
  }

  close() {
    this.#closed = true;
    cancelAnimationFrame(this.#frame);
    this.#endKeys();
    this.#editor?.close();
    this.watch.close();
    this.announcer.silence();
    this.lines.forgetAll([]);
    this.root.replaceChildren();
  }

  /** Puts the tutor where they write, in this mode; nothing is done yet. @param {Mode} mode */
  focusMode(mode) {
    this.composer.choose(mode);
    this.composer.focus();
  }

  /** @param {string} kind of a signal */
  async #dealtWith(kind) {
    try {
      await markSignal(this.id, kind, { dealt_with: true });
      toast("Dealt with. The other tutors see that it was you.");
    } catch (problem) {
      toast(explain(problem));
    }
  }

  /** To where the reader begins. */
  focus() {
    this.head.name.focus();
  }

  /** What the line does not say: the title, and whose notes to ask for. */
  async #lookUp() {
    const session = await getSession(this.id).catch(() => null);
    if (!session || this.#closed) return;
    this.#title = session.title ?? this.#title;
    this.folds.append(notesFold(session.student_id, () => this.name));
    this.#changed();
  }

  /** At most once a frame, however many tokens came. */
  #changed() {
    if (this.#closed) return;
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const { watch } = this;
    const { state } = watch;
    this.#findName();
    this.transcript.update(watch);
    this.head.update(watch, this.#name || "A student", this.#title);
    this.guidance.update(watch.guidance, watch.me);
    this.composer.update(state, this.name, watch.line.phase === "open");
    this.element.dataset.holder = holder(state);
    show(this.earlier, state.hasMore);
    this.#drawBanner();
    if (state.ready) this.#announce();
    this.follow.keep();
  }

  #findName() {
    const found = this.#name ? "" : this.watch.state.messages.find((message) => message.author === "student" && message.name)?.name;
    if (!found) return;
    this.#name = found;
    this.named?.(found);
  }

  #announce() {
    const { state, me } = this.watch;
    if (!this.#settled) {
      this.announcer.forgetAll(state);
      this.lines.forgetAll(state.lines);
    }
    this.#settled = true;
    this.announcer.update(state, (id) => this.transcript.textOf(id));
    this.lines.update(state.lines, me);
  }

  /** A cut of less than two seconds is nobody's business. */
  #drawBanner() {
    const { line, updating } = this.watch;
    const lost = Date.now() - line.since;
    const waits = line.phase === "waiting" || (line.phase === "connecting" && this.watch.state.ready);
    if (waits && lost < 2000) setTimeout(() => this.#changed(), 2020 - lost);
    const text = line.phase === "ended" ? sentence(line.code)
      : updating ? "We are updating fynq."
      : waits && lost >= 2000 ? "The connection is gone. Coming back…" : "";
    say(this.banner, text);
    show(this.banner, text !== "");
  }

  /** @param {Sent} entry */
  #done(entry) {
    if (entry.type === "correct") this.#editor?.done(entry.id);
    // Who has taken over writes to the student next; who has handed back does not write to them by mistake.
    if (entry.type === "take_over") this.composer.choose("take_over");
    if (entry.type === "hand_back") this.composer.choose("whisper");
    this.composer.tell(worked[entry.type] ?? "");
  }

  /** @param {import("../../observe/watch.js").Refusal} refusal */
  #refused(refusal) {
    const { entry, code } = refusal;
    if (code === "no_active_run") return;
    const words = refusalWords(refusal, this.watch.state);
    if (entry?.type === "correct" && this.#editor?.refused(entry.id, words)) return;
    const draft = entry && draftOf(entry);
    if (draft) this.composer.putBack(draft.mode, draft.text);
    this.composer.tell(words, true);
  }

  #take() {
    if (this.watch.send({ type: "take_over" })) this.focusMode("take_over");
  }

  async #handBack() {
    const field = h("textarea", { name: "summary", id: "hand-back-summary", rows: "3", maxlength: "16384", dir: "auto" });
    const label = h("label", { for: "hand-back-summary" }, "What should the AI do next?", h("span", { class: "optional" }, " (if you like)"));
    const hint = h("p", { class: "hint" }, `The AI has read everything that was said. It answers again from ${this.name}’s next message on. What you write here only the AI reads.`);
    const answer = await ask({ title: "Hand back to the AI?", body: [hint, h("div", { class: "field" }, label, field)], confirm: "Hand back" });
    if (!answer || this.#closed) return;
    const summary = String(answer.get("summary") ?? "").trim();
    this.watch.send({ type: "hand_back", ...(summary ? { summary } : {}) });
  }

  /** @param {Message} message */
  #correct(message) {
    this.#editor = new CorrectDialog(message, {
      student: this.name,
      send: (text) => this.watch.send({ type: "correct", message: message.id, text }),
      closed: () => (this.#editor = null),
    });
  }

  async #earlier() {
    const button = /** @type {HTMLButtonElement} */ (this.earlier);
    button.disabled = true;
    try {
      await this.watch.loadEarlier();
      this.follow.holding(() => this.#draw());
    } catch (problem) {
      toast(explain(problem));
    } finally {
      button.disabled = false;
    }
  }
}
