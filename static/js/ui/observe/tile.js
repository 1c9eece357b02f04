// One session on the wall. Its nodes are made once; afterwards only the texts that changed are written, and
// nothing is ever measured, so that sixty of them can change four times a second.
import { dealtWords } from "../../observe/dealt.js";
import { isMuted } from "../../observe/marks.js";
import { preview } from "../../observe/preview.js";
import { span } from "../../observe/span.js";
import { h } from "../dom.js";
import { chip, picture, signalMenu, signalWords, stateWords } from "./signals.js";

/** @typedef {import("../../observe/board.js").Tile} Tile */
/** @typedef {import("../../observe/board.js").SignalKind} SignalKind */
/** @typedef {{marks: import("../../observe/marks.js").Marks, pins: ReadonlySet<string>, now: number}} Scene */
/** @typedef {{open: (session: string) => void, pin: (session: string) => void, mark: (session: string, kind: SignalKind, change: {useful?: boolean | null, muted_minutes?: number, dealt_with?: true}, done: string) => void}} Acts */

/** A text that knows what it says, so that saying the same again costs nothing. */
class Words {
  #said = "";
  node = document.createTextNode("");

  /** @param {string} text */
  say(text) {
    if (text !== this.#said) this.node.data = this.#said = text;
  }
}

export class TileView {
  #name = new Words();
  #topic = new Words();
  #state = new Words();
  #time = new Words();
  #preview = new Words();
  #why = new Words();
  #icon = h("span", { class: "tile-icon" });
  #signals = h("div", { class: "tile-signals" });
  /** What the icon, the chips and the attributes were last made from. */
  #drawnState = "";
  #drawnSignals = "";
  #top = "";
  #gone = false;
  #reachable = false;
  /** @type {boolean | null} */
  #pinned = null;
  /** @type {Tile | null} */
  tile = null;
  /** @type {Scene | null} */
  #scene = null;

  /** @param {string} id @param {Acts} acts */
  constructor(id, acts) {
    this.id = id;
    this.acts = acts;
    this.pin = h("button", { type: "button", class: "tile-pin", tabindex: "-1", "aria-pressed": "false", "aria-label": "Keep in front", title: "Keep in front", onclick: () => acts.pin(id) }, picture("pin"));
    this.cell = h("div", { class: "tile", role: "gridcell", tabindex: "-1", "data-session": id },
      h("div", { class: "tile-head" }, h("span", { class: "tile-name", dir: "auto" }, this.#text(this.#name)), this.pin),
      h("p", { class: "tile-topic", dir: "auto" }, this.#text(this.#topic)),
      h("p", { class: "tile-state" }, this.#icon, h("span", { class: "tile-word" }, this.#text(this.#state)), h("span", { class: "tile-time" }, this.#text(this.#time))),
      h("div", { class: "tile-preview", dir: "auto" }, h("p", {}, this.#text(this.#preview))),
      h("div", { class: "tile-foot" }, this.#signals, h("p", { class: "tile-why" }, this.#text(this.#why))),
    );
    this.row = h("div", { class: "tile-row", role: "row" }, this.cell);
  }

  /** @param {Words} words @returns {any} */
  #text(words) {
    return words.node;
  }

  /** @param {Tile | undefined} tile undefined: it has gone, and its place is kept @param {Scene} scene */
  update(tile, scene) {
    this.#scene = scene;
    if (!tile) return this.#leave();
    if (this.#gone) this.cell.toggleAttribute("data-gone", (this.#gone = false));
    this.tile = tile;
    this.#name.say(tile.student.name);
    this.#topic.say([tile.title || "New conversation", tile.subject].filter(Boolean).join(" · "));
    this.#preview.say(preview(tile.preview));
    this.#drawState(tile);
    this.#drawSignals(tile, scene);
    this.#tick(scene);
    const pinned = scene.pins.has(this.id);
    if (pinned !== this.#pinned) this.pin.setAttribute("aria-pressed", String((this.#pinned = pinned)));
  }

  /** Time passes by itself. @param {Scene} scene */
  #tick({ now }) {
    if (!this.tile) return;
    const { state, stateSince, activityAt } = this.tile;
    this.#time.say(span(now - (state === "idle" ? Math.min(activityAt, stateSince) : stateSince)));
  }

  /** Whether Tab stops at this tile and what is in it. @param {boolean} reachable */
  reach(reachable) {
    this.#reachable = reachable;
    const index = reachable ? "0" : "-1";
    this.cell.setAttribute("tabindex", index);
    for (const button of this.cell.querySelectorAll("button")) button.setAttribute("tabindex", index);
  }

  #leave() {
    if (this.#gone) return;
    this.#gone = true;
    this.#state.say("Has left");
    this.#time.say("");
    this.#drawnState = "";
    this.cell.setAttribute("data-gone", "");
  }

  /** @param {Tile} tile */
  #drawState(tile) {
    const { state, tutor } = tile;
    this.#state.say(state === "tutor" && tutor?.name ? `${tutor.name} is speaking` : stateWords[state]);
    if (state === this.#drawnState) return;
    this.#drawnState = state;
    this.cell.dataset.state = state;
    this.#icon.replaceChildren(picture(state));
  }

  /** @param {Tile} tile @param {Scene} scene */
  #drawSignals(tile, { marks, now }) {
    const signals = tile.signals.map((signal) => ({ signal, muted: isMuted(marks, tile.id, signal.kind, now) }));
    const top = signals.find(({ muted }) => !muted)?.signal;
    this.#why.say(top?.why ?? tile.dealt.map((dealt) => `${signalWords[/** @type {SignalKind} */ (dealt.kind)] ?? "Signal"}: ${dealtWords(dealt)}`)[0] ?? "");
    const made = signals.map(({ signal, muted }) => `${signal.kind} ${muted} ${signal.why}`).join("\n");
    if (made === this.#drawnSignals) return;
    this.#drawnSignals = made;
    const focused = this.#signals.contains(document.activeElement) && /** @type {HTMLElement} */ (document.activeElement).dataset.kind;
    this.#signals.replaceChildren(...signals.map(({ signal, muted }) => chip(tile, signal, muted, (button) => this.#menu(button, signal.kind))));
    if (this.#reachable) this.reach(true);
    if (focused) /** @type {HTMLElement} */ (this.#signals.querySelector(`[data-kind="${focused}"]`) ?? this.cell).focus();
    if (top?.kind === this.#top) return;
    this.#top = top?.kind ?? "";
    this.cell.dataset.top = this.#top;
  }

  /** @param {HTMLElement} button @param {SignalKind} kind */
  #menu(button, kind) {
    if (this.tile && this.#scene) signalMenu(button, this.tile, kind, this.#scene.marks, this.acts);
  }
}
