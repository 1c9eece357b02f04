// Which tiles are on the wall, and in which order. A tile must stay where the eye has found it: the order is
// made anew only when somebody asks for it, or every ten seconds while nobody is at the wall. Pure.
import { kinds } from "./board.js";
import { isMuted } from "./marks.js";

/** @typedef {import("./board.js").Board} Board */
/** @typedef {import("./board.js").Tile} Tile */
/** @typedef {import("./marks.js").Marks} Marks */
/** @typedef {{search: string, group: string, state: string, signal: string, mine: boolean}} View "" is everything */
/** @typedef {{view: View, pins: ReadonlySet<string>, marks: Marks, me: string, now: number}} Wish */

/** @type {View} */
export const wholeView = { search: "", group: "", state: "", signal: "", mine: false };

const settleEvery = 10_000;

/** @param {Board} board @param {Tile} tile @param {Wish} wish */
export function matches(board, tile, { view, marks, me, now }) {
  if (view.group && !board.classes.some(({ id, students }) => id === view.group && students.has(tile.student.id))) return false;
  if (view.state && tile.state !== view.state) return false;
  if (view.mine && tile.tutor?.id !== me && tile.hand?.claimedBy?.id !== me) return false;
  const audible = () => tile.signals.filter(({ kind }) => !isMuted(marks, tile.id, kind, now));
  if (view.signal && !audible().some(({ kind }) => view.signal === "any" || kind === view.signal)) return false;
  const wanted = fold(view.search).split(/\s+/).filter(Boolean);
  const text = wanted.length ? fold(`${tile.student.name} ${tile.title} ${tile.subject}`) : "";
  return wanted.every((word) => text.includes(word));
}

/** Without case and accents, as people search. @param {string} text */
const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** The lower, the sooner somebody should look. @param {Tile} tile @param {Marks} marks @param {number} now */
export function urgency(tile, marks, now) {
  const ranks = tile.signals.filter(({ kind }) => !isMuted(marks, tile.id, kind, now)).map(({ kind, level }) => kinds.indexOf(kind) * 4 + 3 - Math.min(level, 3));
  return Math.min(kinds.length * 4, ...ranks);
}

const byName = new Intl.Collator();

/** The order as it should be: pins first, then by urgency, then by name. @param {Board} board @param {Wish} wish @returns {string[]} */
export function settle(board, wish) {
  const shown = [...board.tiles.values()].filter((tile) => matches(board, tile, wish));
  const keyed = shown.map((tile) => ({ tile, pin: wish.pins.has(tile.id) ? 0 : 1, rank: urgency(tile, wish.marks, wish.now) }));
  keyed.sort((a, b) => a.pin - b.pin || a.rank - b.rank || byName.compare(a.tile.student.name, b.tile.student.name) || (a.tile.id < b.tile.id ? -1 : 1));
  return keyed.map(({ tile }) => tile.id);
}

/**
 * The order while it is held: what is there stays, also what has gone or no longer matches, and what is new
 * comes last. The same array if nothing is new. @param {string[]} order @param {Board} board @param {Wish} wish
 */
export function hold(order, board, wish) {
  const known = new Set(order);
  const fresh = [...board.touched].filter((id) => {
    const tile = known.has(id) ? undefined : board.tiles.get(id);
    return tile !== undefined && matches(board, tile, wish);
  });
  return fresh.length ? [...order, ...fresh] : order;
}

/** Whether the order may be made anew. @param {{asked: boolean, busy: boolean, settledAt: number, now: number}} context `busy`: a pointer or the focus is over the grid */
export const maySettle = ({ asked, busy, settledAt, now }) => asked || (!busy && now - settledAt >= settleEvery);

/** @param {string[]} one @param {string[]} other */
export const sameOrder = (one, other) => one.length === other.length && one.every((id, index) => id === other[index]);
