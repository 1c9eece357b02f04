// The place beside the wall where one session is open; on a phone it covers the wall, which stays as it was.
import { explain } from "../../words.js";
import { h, show } from "../dom.js";
import { toast } from "../toast.js";

/** @typedef {"whisper" | "say" | "take_over"} Mode */
/** @typedef {import("./session.js").WatchedSession} Watched */
/** @typedef {{student?: string, title?: string}} Known what the wall knows of it already */

export class Pane {
  element = h("div", { class: "pane", hidden: true });
  session = "";
  /** @type {Watched | null} */
  #watched = null;
  #turn = 0;

  /** @param {() => void} leave what the session itself asks for */
  constructor(leave) {
    this.leave = leave;
  }

  /** @param {string} session @param {Mode | ""} mode "" to read @param {Known} known */
  async open(session, mode, known) {
    if (session === this.session) return void (mode ? this.#watched?.focusMode(mode) : this.#watched?.focus());
    this.close();
    this.session = session;
    const turn = this.#turn;
    show(this.element, true);
    try {
      const { WatchedSession } = await import("./session.js");
      if (turn !== this.#turn) return;
      const watched = new WatchedSession(this.element, { sessionId: session, onClose: () => turn === this.#turn && this.leave(), known });
      this.#watched = watched;
      watched.open();
      if (mode) watched.focusMode(mode);
      else watched.focus();
    } catch (problem) {
      if (turn !== this.#turn) return;
      toast(/** @type {any} */ (problem)?.code ? explain(problem) : "This conversation did not open. There may be no connection.");
      this.leave();
    }
  }

  close() {
    this.#turn += 1;
    this.#watched?.close();
    this.#watched = null;
    this.session = "";
    show(this.element, false);
    this.element.replaceChildren();
  }
}
