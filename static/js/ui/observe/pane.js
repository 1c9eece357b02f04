// The place beside the wall where one session is open; on a phone it covers the wall, which stays as it was.
import * as api from "../../net/api.js";
import * as identity from "../../net/identity.js";
import { explain } from "../../words.js";
import { h, show } from "../dom.js";
import { toast } from "../toast.js";

/** @typedef {"whisper" | "say" | "take_over"} Mode */
/** @typedef {{open: () => unknown, close: () => void, focusMode: (mode: Mode) => unknown}} Watched */

export class Pane {
  element = h("section", { class: "pane", "aria-label": "Conversation", hidden: true });
  session = "";
  /** @type {Watched | null} */
  #watched = null;
  #turn = 0;

  /** @param {() => void} leave what the session itself asks for */
  constructor(leave) {
    this.leave = leave;
  }

  /** @param {string} session @param {Mode | ""} mode */
  async open(session, mode) {
    if (session === this.session) return void (this.#watched && mode && this.#watched.focusMode(mode));
    this.close();
    this.session = session;
    const turn = this.#turn;
    show(this.element, true);
    try {
      const { WatchedSession } = await import("./session.js");
      if (turn !== this.#turn) return;
      const watched = new WatchedSession(this.element, { api, identity, sessionId: session, onClose: () => turn === this.#turn && this.leave() });
      this.#watched = watched;
      await watched.open();
      if (turn === this.#turn && mode) await watched.focusMode(mode);
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
