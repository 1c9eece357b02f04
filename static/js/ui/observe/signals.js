// A signal as a tutor sees it: an icon, a word and a colour, why in one line, and what can be done about it.
import { canBeDealtWith } from "../../observe/dealt.js";
import { isMuted, markOf, muteChoices } from "../../observe/marks.js";
import { drawn, h } from "../dom.js";
import { openMenu } from "../menu.js";

/** @typedef {import("../../observe/board.js").SignalKind} SignalKind */
/** @typedef {import("../../observe/board.js").TileState} TileState */
/** @typedef {import("../../observe/board.js").Tile} Tile */
/** @typedef {import("../../observe/marks.js").Marks} Marks */

/** @type {Record<SignalKind, string>} */
export const signalWords = { safety: "Safety", hand: "Hand up", struggling: "Struggling", error: "Error", off_task: "Off task", idle: "Idle" };

/** @type {Record<TileState, string>} */
export const stateWords = { waiting: "Student’s turn", thinking: "Thinking", answering: "Answering", idle: "Idle", tutor: "A tutor is speaking" };

/** @type {Record<SignalKind | TileState | "pin", string>} */
const paths = {
  safety: "M12 3l7.500 3v5.500c0 4.500-3 8-7.500 9.500-4.500-1.500-7.500-5-7.500-9.500V6zM12 8v4.500M12 16h.01",
  hand: "M7 11V6.500a1.500 1.500 0 0 1 3 0V11m0-1V4.500a1.500 1.500 0 0 1 3 0V10m0-4.500a1.500 1.500 0 0 1 3 0V11m0-2.500a1.500 1.500 0 0 1 3 0V14a7 7 0 0 1-7 7c-3 0-4.600-1.300-6-3.500L3.600 13.800a1.500 1.500 0 0 1 2.500-1.600L7 13.500",
  struggling: "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17zM9.500 9.500a2.500 2.500 0 1 1 3.500 2.300c-.7.300-1 .8-1 1.700M12 16.500h.01",
  error: "M12 4 2.800 19.500h18.400zM12 10v4.500M12 17h.01",
  off_task: "M5 19c0-7 3-11 13-11M14 4l4.500 4-4.500 4",
  idle: "M8.500 8v8M15.500 8v8M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17z",
  waiting: "M4 20l1-4.500L16 4.500 19.500 8 8.500 19 4 20z",
  thinking: "M5.500 12h.01M12 12h.01M18.500 12h.01",
  answering: "M4 7h16M4 12h16M4 17h9",
  tutor: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.500 20.500c.8-4 3.700-6 7.500-6s6.700 2 7.500 6",
  pin: "M9 4h6l-1 6 3 3v2H7v-2l3-3zM12 15v5.500",
};

/** @param {SignalKind | TileState | "pin"} name */
export const picture = (name) => drawn(name, paths[name]);

/**
 * @param {Tile} tile
 * @param {import("../../observe/board.js").Signal} signal
 * @param {boolean} muted
 * @param {(button: HTMLElement) => void} menu
 */
export function chip(tile, { kind, why }, muted, menu) {
  const spoken = `${signalWords[kind]}${muted ? ", muted" : ""}: ${why}. What to do with it`;
  const button = h("button", { type: "button", class: "signal", "data-kind": kind, "data-muted": muted, tabindex: "-1", title: why, "aria-label": spoken, "aria-haspopup": "menu", "aria-expanded": "false" },
    picture(kind), h("span", {}, signalWords[kind]));
  button.addEventListener("click", () => menu(button));
  return button;
}

/**
 * What can be done about one signal: quiet for a while, that somebody has seen to it, and whether it was right.
 * @param {HTMLElement} button
 * @param {Tile} tile
 * @param {SignalKind} kind
 * @param {Marks} marks
 * @param {{mark: (session: string, kind: SignalKind, change: {useful?: boolean | null, muted_minutes?: number, dealt_with?: true}, done: string) => void, open: (session: string) => void}} acts
 */
export function signalMenu(button, tile, kind, marks, { mark, open }) {
  const why = tile.signals.find((signal) => signal.kind === kind)?.why;
  const { useful } = markOf(marks, tile.id, kind);
  const say = (/** @type {object} */ change, /** @type {string} */ done) => () => mark(tile.id, kind, change, done);
  const muted = isMuted(marks, tile.id, kind, Date.now());
  const quiet = muted
    ? [{ glyph: "again", label: "Hear it again", act: say({ muted_minutes: 0 }, "Heard again") }]
    : muteChoices(kind).map((minutes) => ({ glyph: "moon", label: `Mute for ${duration(minutes)}`, act: say({ muted_minutes: minutes }, `Muted for ${duration(minutes)}`) }));
  openMenu(button, `${signalWords[kind]}: ${tile.student.name}`, [
    { glyph: "eye", label: why || "Open the conversation", act: () => open(tile.id) },
    ...quiet,
    ...(canBeDealtWith(kind) ? [{ glyph: "check", label: "Dealt with", act: say({ dealt_with: true }, "Dealt with. The other tutors see that it was you.") }] : []),
    { glyph: "check", label: "It was right", act: say({ useful: useful === true ? null : true }, "Noted. Thank you."), checked: useful === true },
    { glyph: "close", label: "Not useful", act: say({ useful: useful === false ? null : false }, "Noted. Thank you."), checked: useful === false },
  ]);
}

/** @param {number} minutes */
const duration = (minutes) => (minutes >= 1440 ? "a day" : minutes >= 60 ? "an hour" : `${minutes} minutes`);
