// The wall: all live sessions of a tutor's classes at once, and one of them open beside it. Frames are gathered
// and drawn once per picture of the screen, however many have come.
import { claimHand, listMarks, markSignal } from "../../net/observe.js";
import { account } from "../../net/identity.js";
import { rosterLine } from "../../net/roster.js";
import { applyFrames, emptyBoard } from "../../observe/board.js";
import { readKept, writeKept } from "../../observe/kept.js";
import { noMarks, readMarks, withMark } from "../../observe/marks.js";
import { listen } from "../../observe/news.js";
import { hold, maySettle, sameOrder, settle } from "../../observe/order.js";
import { explain } from "../../words.js";
import { h, say, show } from "../dom.js";
import { toast } from "../toast.js";
import { Alerts, mayNotify } from "./alerts.js";
import { Filters } from "./filters.js";
import { Hands } from "./hands.js";
import { lineWords, noneWords, showWallKeys } from "./help.js";
import { Pane } from "./pane.js";
import { wallStyle } from "./style.js";
import { Wall } from "./wall.js";

/** @typedef {{screen: string, id: string}} Place */
/** @typedef {import("./pane.js").Mode} Mode */

/** Frames that wait while the page is out of sight: it is not drawn then, but its alerts must not be late. */
const mostWaiting = 512;

/** With less room the conversation covers the wall. */
const beside = matchMedia("(min-width: 75.001rem)");

class WallScreen {
  #me = account()?.user.id ?? "";
  #kept = readKept(this.#me);
  #board = emptyBoard;
  #marks = noMarks;
  #ahead = 0;
  /** @type {any[]} */
  #frames = [];
  #frame = 0;
  #appliedAt = 0;
  /** @type {string[]} */
  #order = [];
  #settledAt = 0;
  /** @type {import("../../observe/news.js").Heard | null} */
  #heard = null;
  /** Where the wall's keys came to: a step of the history back leads to it. */
  #cameFromWall = false;
  /** @type {Mode | ""} */
  #mode = "";

  constructor() {
    const open = (/** @type {string} */ session) => this.#go(session, "");
    this.wall = new Wall({ open, pin: (id) => this.#pin(id), mark: (...mark) => this.#mark(...mark) });
    this.hands = new Hands({ me: this.#me, open, claim: (id) => this.#claim(id) });
    this.filters = new Filters({
      kept: () => this.#kept, keep: (change) => this.#keep(change), look: () => this.#draw(true), sort: () => this.#draw(true),
      sound: (on) => this.#sound(on), notify: (on) => this.#notify(on), keys: showWallKeys,
    });
    this.pane = new Pane(() => this.#leave());
    this.none = h("p", { class: "wall-none" }, "Loading…");
    this.line = h("p", { class: "wall-line", role: "status", hidden: true });
    this.spoken = h("p", { class: "sr-only", role: "status" });
    this.alerts = new Alerts({ line: this.spoken, settings: () => this.#kept });
    this.scroller = h("div", { class: "wall-scroller" }, this.wall.grid, this.none);
    this.scroller.addEventListener("scroll", this.wall.scrolled, { passive: true });
    this.side = h("div", { class: "wall-side" }, this.filters.element, this.line, this.hands.element, this.scroller);
    this.element = h("div", { class: "wall-screen" }, this.side, this.pane.element, this.spoken);
    this.#drawDensity();
    this.socket = rosterLine({ receive: (frame) => this.#receive(frame), changed: () => this.#drawLine() });
    document.addEventListener("keydown", this.#key);
    document.addEventListener("visibilitychange", this.#flush);
    this.clock = setInterval(() => this.#tick(), 1000);
    this.#loadMarks();
    this.socket.start();
  }

  close() {
    document.removeEventListener("keydown", this.#key);
    document.removeEventListener("visibilitychange", this.#flush);
    clearInterval(this.clock);
    cancelAnimationFrame(this.#frame);
    this.socket.stop();
    this.pane.close();
    this.alerts.close();
  }

  /** @param {Place} place */
  move(place) {
    if (place.screen !== "observe") return false;
    const mode = this.#mode;
    this.#mode = "";
    const was = this.pane.session;
    if (place.id) {
      this.pane.open(place.id, mode, this.#known(place.id));
    } else {
      this.#cameFromWall = false;
      this.pane.close();
    }
    this.element.toggleAttribute("data-open", place.id !== "");
    this.#drawDensity();
    this.wall.choose(place.id);
    this.wall.reveal(place.id || was);
    if (was && !place.id && !this.wall.focus(was)) this.filters.search.focus();
    return true;
  }

  async #loadMarks() {
    try {
      const { items, ahead } = await listMarks();
      this.#ahead = ahead;
      this.#marks = readMarks(items, ahead);
      // What came before the clocks were compared is asked for again, with the right times.
      if (ahead && this.#board.ready) this.socket.restart();
      this.#draw(false, true);
    } catch {
      // Without them nothing is muted, which is the safe side.
    }
  }

  /** @param {any} frame */
  #receive(frame) {
    this.#frames.push(frame);
    if (!document.hidden) this.#frame ||= requestAnimationFrame(this.#flush);
    else if (this.#frames.length >= mostWaiting || Date.now() - this.#appliedAt > 1000) this.#flush();
  }

  #flush = () => {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (!this.#frames.length) return;
    const first = !this.#board.ready;
    this.#appliedAt = Date.now();
    this.#board = applyFrames(this.#board, this.#frames, this.#ahead);
    this.#frames = [];
    this.filters.classes(this.#board.classes);
    this.#listen();
    this.#draw(first);
  };

  #listen() {
    const { heard, news } = listen(this.#board.ready ? this.#heard : null, this.#board, { marks: this.#marks, now: Date.now() });
    if (this.#board.ready) this.#heard = heard;
    this.alerts.tell(news);
  }

  #wish() {
    return { view: this.filters.view, pins: new Set(this.#kept.pins), marks: this.#marks, me: this.#me, now: Date.now() };
  }

  /** @param {boolean} asked the order may be made anew, whoever is over the grid @param {boolean} [all] */
  #draw(asked, all = false) {
    if (!this.#board.ready) return;
    const wish = this.#wish();
    if (maySettle({ asked, busy: this.wall.busy, settledAt: this.#settledAt, now: wish.now })) {
      this.#settledAt = wish.now;
      const settled = settle(this.#board, wish);
      if (!sameOrder(settled, this.#order)) this.#order = settled;
    } else {
      this.#order = hold(this.#order, this.#board, wish);
    }
    this.wall.draw(this.#order, this.#board, wish, all);
    if (this.#board.touched.size) this.hands.draw(this.#board, wish.now);
    show(this.none, this.#order.length === 0);
    if (!this.#order.length) say(this.none, noneWords(this.#board.tiles.size));
    if (asked) this.#count(wish);
  }

  /** @param {import("../../observe/order.js").Wish} wish */
  #count(wish) {
    const { tiles } = this.#board;
    const should = settle(this.#board, wish);
    this.filters.counted(should.length, tiles.size, !sameOrder(should, this.#order));
  }

  /** Once a second, also when no frame comes: waiting times go on, what is muted comes back, the order settles. */
  #tick() {
    this.#flush();
    if (!this.#board.ready) return;
    this.#board = { ...this.#board, touched: new Set() };
    this.#listen();
    this.#draw(false, !document.hidden);
    if (document.hidden) return;
    const scene = this.#wish();
    this.#count(scene);
    this.hands.tick(scene.now);
    this.#drawLine();
  }

  #drawLine() {
    const text = lineWords(this.socket.line);
    show(this.line, text !== "");
    say(this.line, text);
    this.element.toggleAttribute("data-stale", text !== "");
  }

  /** @param {Partial<import("../../observe/kept.js").Kept>} change */
  #keep(change) {
    this.#kept = { ...this.#kept, ...change };
    writeKept(this.#me, this.#kept);
    this.#drawDensity();
  }

  /** Beside an open conversation there is room for small tiles alone. */
  #drawDensity() {
    this.element.toggleAttribute("data-dense", this.#kept.dense || (beside.matches && this.element.hasAttribute("data-open")));
  }

  /** @param {string} id */
  #pin(id) {
    const { pins } = this.#kept;
    this.#keep({ pins: pins.includes(id) ? pins.filter((each) => each !== id) : [...pins, id] });
    this.#draw(true, true);
  }

  /** @param {string} session @param {string} kind @param {object} change @param {string} done */
  async #mark(session, kind, change, done) {
    try {
      this.#marks = withMark(this.#marks, session, kind, await markSignal(session, kind, change), this.#ahead);
      toast(done);
      this.#draw(false, true);
    } catch (problem) {
      toast(explain(problem));
    }
  }

  /** Whoever claims a hand wants to see why it is up. @param {string} session */
  async #claim(session) {
    try {
      await claimHand(session);
      this.#go(session, "");
    } catch (problem) {
      toast(explain(problem));
    }
  }

  /** @param {boolean} on */
  #sound(on) {
    this.#keep({ sound: on });
    if (on) this.alerts.play("other");
  }

  /** @param {boolean} on */
  async #notify(on) {
    const allowed = on && (await mayNotify());
    this.#keep({ notify: allowed });
    if (on && !allowed) toast("Your browser does not allow it. You can change that in its settings.");
  }

  /** Opens one beside the wall. One after the other is one step of the history. @param {string} session @param {Mode | ""} mode */
  #go(session, mode) {
    this.#mode = mode;
    const address = `#observe/${session}`;
    if (session === this.pane.session) return void this.pane.open(session, mode, {});
    if (this.pane.session) return location.replace(address);
    this.#cameFromWall = true;
    location.hash = address;
  }

  #leave() {
    if (this.#cameFromWall) history.back();
    else location.replace("#observe");
  }

  /** @param {string} session */
  #known(session) {
    const tile = this.#board.tiles.get(session);
    return tile ? { student: tile.student.name, title: tile.title } : {};
  }

  #key = (/** @type {KeyboardEvent} */ event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const elsewhere = event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey;
    if (elsewhere || document.querySelector("dialog[open]") || this.pane.element.contains(target) && event.key !== "Escape") return;
    if (!this.#act(event, target)) return;
    event.preventDefault();
    event.stopPropagation();
  };

  /** @param {KeyboardEvent} event @param {HTMLElement} target @returns {boolean} whether the key meant something here */
  #act(event, target) {
    const { key } = event;
    const writing = /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
    if (key === "Escape" && this.pane.session) this.#leave();
    else if (key === "Escape" && target === this.filters.search && this.filters.view.search) this.filters.reset();
    else if (writing) return false;
    else if (key === "?") showWallKeys();
    else if (key === "/") this.filters.search.focus();
    else return this.#onTile(event, target);
    return true;
  }

  /** @param {KeyboardEvent} event @param {HTMLElement} target */
  #onTile(event, target) {
    const id = this.wall.active;
    if (!id) return false;
    if (this.wall.key(event)) return true;
    if (target.closest("button") && (event.key === "Enter" || event.key === " ")) return false;
    /** @type {Record<string, () => unknown>} */
    const acts = {
      enter: () => this.#go(id, ""), w: () => this.#go(id, "whisper"), s: () => this.#go(id, "say"), t: () => this.#go(id, "take_over"), p: () => this.#pin(id),
    };
    const act = acts[event.key.toLowerCase()];
    act?.();
    return act !== undefined;
  }
}

/** @param {HTMLElement} body @param {Place} place */
export async function openWall(body, place) {
  await wallStyle();
  const screen = new WallScreen();
  body.replaceChildren(screen.element);
  screen.move(place);
  return screen;
}
