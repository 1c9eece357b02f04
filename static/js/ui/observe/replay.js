// A session played again as it streamed, with a time line of what tutors did and what the server noticed.
import { emptySession } from "../../chat/log.js";
import { messagesAt, placeOf, timelineOf } from "../../observe/timeline.js";
import { replayOf } from "../../net/tutoring.js";
import { explain } from "../../words.js";
import { h, say, show } from "../dom.js";
import { Follow } from "../follow.js";
import { guardLinks } from "../link-sheet.js";
import { Transcript } from "../transcript.js";
import { picture } from "./pictures.js";

/** @typedef {import("../../observe/timeline.js").Mark} Mark */
/** @typedef {import("../../observe/timeline.js").Timeline} Timeline */

/** A session of more messages than that is shown to its hundredth page and no further. */
const mostPages = 100;
const speeds = [0.5, 1, 2, 4, 8];
/** Who wants less motion sees it in steps. */
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** @type {Record<string, string>} */
const acts = {
  whispered: "whispered to the AI", withdrew: "withdrew a whisper", said: "wrote to the student", took_over: "took over", handed_back: "handed back to the AI",
  lapsed: "was away, and the AI answered again", released: "was no longer allowed here, and the AI answered again", claimed: "said that they are coming",
  lowered_hand: "lowered the hand", stopped: "stopped the answer", corrected: "corrected an answer", joined: "began to watch", left: "stopped watching",
};
/** @type {Record<string, string>} */
const signals = { hand: "asked for a human", safety: "safety", struggling: "struggling", error: "error", off_task: "off task", idle: "idle" };
/** What says itself in the transcript, or is no news there. */
const quiet = new Set(["said", "corrected", "joined", "left"]);

/** @param {Mark} mark */
export function markWords({ what, kind, by, text }) {
  if (what === "signal") return `Noticed: ${signals[kind] ?? kind}${text ? ` (${text})` : ""}`;
  return `${by || "A tutor"} ${acts[kind] ?? kind}${text ? `: ${text}` : ""}`;
}

/** @param {HTMLElement} root @param {string} id @param {import("./console.js").Frame} frame @returns {import("./console.js").Opened} */
export function replayScreen(root, id, frame) {
  let closed = false;
  /** @type {ReplayView | null} */
  let view = null;
  const fill = async () => {
    root.replaceChildren(h("p", { class: "hint" }, "Loading…"));
    try {
      const pages = await load(id, () => closed);
      if (closed) return;
      const name = pages.flatMap((page) => page.messages).find((message) => message.author?.kind === "student")?.author.name ?? "";
      if (name) frame.entitle(`Replay: ${name}`);
      view = new ReplayView(root, id, pages, name || "The student");
    } catch (problem) {
      if (closed) return;
      const again = h("button", { type: "button", class: "primary", onclick: fill }, "Try again");
      root.replaceChildren(h("p", { class: "problem", role: "alert" }, explain(problem)), again);
    }
  };
  fill();
  return {
    close: () => {
      closed = true;
      view?.close();
    },
  };
}

/** @param {string} id @param {() => boolean} over */
async function load(id, over) {
  const pages = [];
  /** @type {string | null} */
  let cursor = null;
  do {
    const page = /** @type {import("../../net/tutoring.js").Replay} */ (await replayOf(id, cursor));
    pages.push(page);
    cursor = page.next_cursor ?? null;
  } while (cursor && pages.length < mostPages && !over());
  return pages;
}

class ReplayView {
  #at = 0;
  #speed = 1;
  #frame = 0;
  #before = 0;
  /** @type {Timeline} */
  #timeline;
  #drawn = "";

  /** @param {HTMLElement} root @param {string} id @param {import("../../net/tutoring.js").Replay[]} pages @param {string} student */
  constructor(root, id, pages, student) {
    this.pages = pages;
    this.#timeline = timelineOf(pages);
    this.play = h("button", { type: "button", class: "icon", onclick: () => this.#toggle() });
    this.range = h("input", { type: "range", min: "0", step: "100", "aria-label": "Where in the replay" });
    this.time = h("output", { class: "replay-time" });
    this.ticks = h("div", { class: "replay-ticks", "aria-hidden": "true" });
    this.list = h("ol", { class: "replay-marks" });
    const speed = h("select", { "aria-label": "How fast" }, ...speeds.map((each) => h("option", { value: String(each), selected: each === 1 }, `${each}×`)));
    const short = h("input", { type: "checkbox", checked: true });
    const transcript = h("section", { class: "transcript", "aria-label": "Conversation" });
    const scroller = h("div", { class: "scroller replay-scroller", tabindex: "0", role: "group", "aria-label": "What was on the screen" }, transcript);
    root.replaceChildren(h("section", { class: "replay" },
      h("p", { class: "replay-way" }, h("a", { href: `#observe/${id}`, class: "link" }, "To the live conversation")),
      scroller,
      h("aside", { class: "replay-side", "aria-label": "What happened" }, h("h2", {}, "What happened"), this.list),
      h("div", { class: "replay-bar" }, this.play, h("div", { class: "replay-line" }, this.ticks, this.range), this.time, speed, h("label", { class: "check" }, short, h("span", {}, "Shorten pauses"))),
    ));
    this.transcript = new Transcript(transcript, { student: () => student });
    this.transcript.clear();
    this.follow = new Follow(scroller, () => {});
    guardLinks(transcript);
    this.range.addEventListener("input", () => this.#seek(Number(this.range.value)));
    speed.addEventListener("change", () => (this.#speed = Number(speed.value)));
    short.addEventListener("change", () => this.#shorten(short.checked));
    this.#lay();
    // The whole of it stands there until somebody wants to see how it came.
    this.#seek(this.#timeline.length);
    this.#dressPlay();
  }

  close() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  /** The marks on the line, and the same as a list. */
  #lay() {
    const { length, marks } = this.#timeline;
    this.range.max = String(Math.ceil(length));
    this.ticks.replaceChildren(...marks.map((mark) => {
      const tick = h("i", { "data-what": mark.what, "data-kind": mark.kind });
      tick.style.insetInlineStart = `${length ? (mark.at / length) * 100 : 0}%`;
      return tick;
    }));
    const rows = marks.map((mark) => h("li", { "data-what": mark.what }, h("button", { type: "button", onclick: () => this.#seek(mark.at) },
      h("time", {}, clockTime(mark.real)), h("span", { dir: "auto" }, markWords(mark)))));
    this.list.replaceChildren(...(rows.length ? rows : [h("li", { class: "hint" }, "No tutor did anything, and nothing was noticed.")]));
  }

  /** @param {boolean} short */
  #shorten(short) {
    const share = this.#timeline.length ? this.#at / this.#timeline.length : 0;
    this.#timeline = timelineOf(this.pages, { short });
    this.#lay();
    this.#seek(share * this.#timeline.length);
  }

  #toggle() {
    if (this.#frame) this.close();
    else {
      if (this.#at >= this.#timeline.length) this.#seek(0);
      this.#before = performance.now();
      this.#frame = requestAnimationFrame((now) => this.#step(now));
    }
    this.#dressPlay();
  }

  /** @param {number} now */
  #step(now) {
    const past = now - this.#before;
    if (past >= (calm.matches ? 500 : 0)) {
      this.#before = now;
      this.#seek(this.#at + past * this.#speed);
    }
    this.#frame = this.#at < this.#timeline.length ? requestAnimationFrame((next) => this.#step(next)) : 0;
    if (!this.#frame) this.#dressPlay();
  }

  /** @param {number} at */
  #seek(at) {
    this.#at = Math.max(0, Math.min(at, this.#timeline.length));
    const words = `${minutes(this.#at)} of ${minutes(this.#timeline.length)}`;
    this.range.value = String(Math.round(this.#at));
    this.range.setAttribute("aria-valuetext", words);
    say(this.time, words);
    this.#draw();
  }

  #draw() {
    const messages = messagesAt(this.#timeline, this.#at);
    const past = this.#timeline.marks.filter((mark) => mark.at <= this.#at);
    const lines = past.filter((mark) => mark.what === "act" && !quiet.has(mark.kind)).map((mark) => ({
      id: mark.id, after: placeOf(this.#timeline, mark), kind: /** @type {const} */ ("act"), who: { id: "", name: mark.by }, text: markWords(mark),
    }));
    const state = { ...emptySession, ready: true, messages, lines };
    this.transcript.update({ state, outbox: [], line: { phase: "open" } });
    this.follow.keep();
    const newest = past.at(-1)?.id ?? "";
    if (newest === this.#drawn) return;
    this.#drawn = newest;
    [...this.list.children].forEach((row, index) => row.toggleAttribute("data-past", index < past.length));
  }

  #dressPlay() {
    const plays = this.#frame !== 0;
    this.play.setAttribute("aria-label", plays ? "Pause" : "Play");
    this.play.replaceChildren(picture(plays ? "pause" : "play"));
    show(this.play, this.#timeline.length > 0);
  }
}

/** @param {number} ms */
const minutes = (ms) => `${Math.floor(ms / 60_000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}`;

/** @param {number} time */
const clockTime = (time) => new Date(time).toLocaleTimeString([], { timeStyle: "short" });
