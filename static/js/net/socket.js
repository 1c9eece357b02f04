// The line to one session, or to the roster of all: opens, listens, notices silence, and comes back by itself
// until it is told that there is nothing to come back to.
import { afterClose, retryDelay } from "./comeback.js";
import { Problem } from "./problem.js";
import { uuid7 } from "./uuid.js";

const pingEvery = 20_000;
const silenceLimit = 45_000;
const doubtLimit = 5_000;
/** A connection that held this long was a good one: the next cut starts counting anew. */
const steady = 10_000;

/**
 * @typedef {object} Line
 * @property {"connecting" | "open" | "waiting" | "ended"} phase
 * @property {number} since      when it was lost, while it is; 0 when open
 * @property {number} nextTry
 * @property {string} code       why it ended, or what the server last said
 */

export class SessionSocket {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Line} */
  line = { phase: "connecting", since: Date.now(), nextTry: 0, code: "" };
  #failures = 0;
  #unopened = 0;
  #openedAt = 0;
  #heardAt = 0;
  #doubtAt = 0;
  /** @type {number | undefined} */
  #retryAfter;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watch;
  #attempt = 0;
  #stopped = false;

  /**
   * @param {object} parts
   * @param {() => string} parts.url             where, with what was last seen
   * @param {() => Promise<string>} parts.ticket
   * @param {() => Promise<unknown>} parts.renew asks for a fresh token
   * @param {() => Promise<unknown>} parts.probe asks whether the session is still there
   * @param {(frame: any) => void} parts.receive
   * @param {(line: Line) => void} parts.changed
   * @param {string} [parts.greeting]             the control frame with which the line is open; "ready" of a session
   */
  constructor(parts) {
    this.parts = parts;
  }

  start() {
    globalThis.addEventListener("online", this.tryNow);
    globalThis.addEventListener("offline", this.#doubt);
    document.addEventListener("visibilitychange", this.#seen);
    this.#watch = setInterval(() => this.#check(), 1000);
    this.#connect();
  }

  stop() {
    this.#stopped = true;
    globalThis.removeEventListener("online", this.tryNow);
    globalThis.removeEventListener("offline", this.#doubt);
    document.removeEventListener("visibilitychange", this.#seen);
    clearInterval(this.#watch);
    clearTimeout(this.#timer);
    this.#abandon();
  }

  /** @param {object} command @returns {boolean} whether it was handed to an open socket */
  send(command) {
    if (this.#socket?.readyState !== WebSocket.OPEN || this.line.phase !== "open") return false;
    this.#socket.send(JSON.stringify(command));
    return true;
  }

  /** Drops the line and comes back at once, for a log that has a gap. */
  restart() {
    this.#lost({ act: "retry", wait: 0 });
  }

  tryNow = () => {
    if (this.line.phase === "waiting") this.#connect();
    else this.#doubt();
  };

  #seen = () => {
    if (document.visibilityState === "visible") this.tryNow();
  };

  /** Something may have happened to the line: if the server does not answer soon, it is given up. */
  #doubt = () => {
    if (this.line.phase !== "open") return;
    this.#ping();
    this.#doubtAt ||= Date.now();
  };

  async #connect() {
    clearTimeout(this.#timer);
    const attempt = ++this.#attempt;
    this.#change({ phase: "connecting", since: this.line.since || Date.now() });
    try {
      const ticket = await this.parts.ticket();
      if (attempt !== this.#attempt || this.#stopped) return;
      this.#open(ticket);
    } catch (problem) {
      if (attempt === this.#attempt && !this.#stopped) this.#refused(/** @type {Problem} */ (problem));
    }
  }

  /** @param {string} ticket */
  #open(ticket) {
    const socket = new WebSocket(this.parts.url(), ["fynq.v1", `ticket.${ticket}`]);
    this.#socket = socket;
    this.#openedAt = 0;
    this.#heardAt = Date.now();
    socket.onopen = () => {
      this.#openedAt = this.#heardAt = Date.now();
      this.#unopened = 0;
    };
    socket.onmessage = (message) => this.#hear(message.data);
    socket.onclose = (close) => this.#closed(close.code);
  }

  /** @param {string} data */
  #hear(data) {
    this.#heardAt = Date.now();
    this.#doubtAt = 0;
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    if (frame?.ctl?.type === "draining") this.#retryAfter = frame.ctl.retry_after_ms;
    const ready = frame?.ctl?.type === (this.parts.greeting ?? "ready");
    if (ready) this.#retryAfter = undefined;
    this.parts.receive(frame);
    if (ready) this.#change({ phase: "open", since: 0, nextTry: 0, code: "" });
  }

  /** @param {number} code */
  async #closed(code) {
    if (!this.#openedAt && ++this.#unopened >= 2) {
      // The browser does not say why an upgrade was refused; the session's own address does.
      const attempt = this.#attempt;
      const problem = await this.parts.probe().then(() => null, (reason) => reason);
      if (attempt !== this.#attempt || this.#stopped) return;
      if (problem instanceof Problem && problem.status >= 400 && problem.status < 500) return this.#refused(problem);
    }
    if (this.#openedAt && Date.now() - this.#openedAt > steady) this.#failures = 0;
    this.#lost(afterClose(code, { failures: this.#failures, retryAfter: this.#retryAfter }));
  }

  /** @param {Problem} problem */
  #refused(problem) {
    const wait = Math.max(problem.retryAfterMs ?? 0, retryDelay(this.#failures));
    if (problem.status === 401) this.#lost({ act: "end", code: "signed_out" });
    else if (problem.status === 404) this.#lost({ act: "end", code: "session_gone" });
    else if (problem.status === 403) this.#lost({ act: "end", code: "not_allowed_any_more" });
    else this.#lost({ act: "retry", wait });
  }

  /** @param {import("./comeback.js").Comeback} comeback */
  async #lost(comeback) {
    this.#abandon();
    this.#failures += 1;
    const since = this.line.since || Date.now();
    if (comeback.act === "end") return this.#change({ phase: "ended", since, code: comeback.code });
    if (comeback.act === "refresh") {
      const attempt = this.#attempt;
      this.#change({ phase: "waiting", since, nextTry: Date.now() });
      const problem = await this.parts.renew().then(() => null, (reason) => reason);
      if (attempt !== this.#attempt || this.#stopped) return;
      if (problem) return this.#refused(problem);
      if (this.#failures < 3) return this.#connect();
    }
    const wait = comeback.act === "retry" ? comeback.wait : retryDelay(this.#failures);
    this.#change({ phase: "waiting", since, nextTry: Date.now() + wait });
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  /** Nothing more is heard from the present socket. */
  #abandon() {
    this.#attempt += 1;
    const socket = this.#socket;
    this.#socket = null;
    this.#doubtAt = 0;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #ping() {
    this.send({ type: "ping", id: uuid7(), t: Date.now() });
    this.#pingedAt = Date.now();
  }

  #pingedAt = 0;

  #check() {
    if (!this.#socket) return;
    const now = Date.now();
    const silent = now - this.#heardAt > silenceLimit || (this.#doubtAt && now - this.#doubtAt > doubtLimit);
    if (silent) return void this.#lost({ act: "retry", wait: retryDelay(this.#failures) });
    if (this.line.phase === "open" && now - Math.max(this.#pingedAt, this.#openedAt) > pingEvery) this.#ping();
  }

  /** @param {Partial<Line>} change */
  #change(change) {
    this.line = { ...this.line, ...change };
    this.parts.changed(this.line);
  }
}
