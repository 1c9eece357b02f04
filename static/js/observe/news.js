// What is new on the board, and what has waited too long: the one place that decides what a tutor is told. Pure.
import { kinds } from "./board.js";
import { isMuted } from "./marks.js";

/** @typedef {import("./board.js").Board} Board */
/** @typedef {import("./board.js").Tile} Tile */
/** @typedef {import("./board.js").Signal} Signal */
/** @typedef {{session: string, kind: import("./board.js").SignalKind, level: number, again: boolean}} News */
/** @typedef {ReadonlyMap<string, {since: number, level: number, toldAt: number}>} Heard */
/** @typedef {"safety" | "hand" | "other"} Loudness */

const againAfter = 60_000;
export const summaryEvery = 15_000;

/**
 * What stood there when the wall was opened is no news, but it is told again like the rest.
 * @param {Heard | null} heard null: the wall has just been opened
 * @param {Board} board
 * @param {{marks: import("./marks.js").Marks, now: number}} context
 * @returns {{heard: Heard, news: News[]}} safety first
 */
export function listen(heard, board, { marks, now }) {
  const next = new Map();
  /** @type {News[]} */
  const news = [];
  for (const tile of board.tiles.values()) {
    for (const signal of tile.signals) {
      const { kind, level, since } = signal;
      if (isMuted(marks, tile.id, kind, now)) continue;
      const key = `${tile.id} ${kind}`;
      const before = heard?.get(key);
      const fresh = heard !== null && (!before || before.since !== since || level > before.level);
      const again = !fresh && before !== undefined && waits(tile, kind) && now - before.toldAt >= againAfter;
      if (fresh || again) news.push({ session: tile.id, kind, level, again });
      next.set(key, { since, level, toldAt: fresh || again ? now : (before?.toldAt ?? now) });
    }
  }
  news.sort((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || b.level - a.level);
  return { heard: next, news };
}

/** Nobody has taken it up yet. @param {Tile} tile @param {string} kind */
function waits(tile, kind) {
  if (kind === "hand") return tile.hand !== null && tile.hand.claimedBy === null;
  return kind === "safety" && tile.tutor === null && tile.watchers === 0;
}

/** How loudly something is told; null: only in the summary. @param {News} news @returns {Loudness | null} */
export function loudness({ kind, level }) {
  if (kind === "safety" || kind === "hand") return kind;
  return (kind === "struggling" || kind === "error") && level >= 2 ? "other" : null;
}

/** @type {Record<import("./board.js").SignalKind, [string, string]>} */
const counted = {
  safety: ["safety signal", "safety signals"],
  hand: ["raised hand", "raised hands"],
  struggling: ["student struggling", "students struggling"],
  error: ["error", "errors"],
  off_task: ["student off task", "students off task"],
  idle: ["student idle", "students idle"],
};

/** For somebody who listens: how many, and of which kind; never who. @param {News[]} news */
export function summarise(news) {
  const fresh = news.filter(({ again }) => !again);
  const parts = kinds.flatMap((kind) => {
    const many = fresh.filter((each) => each.kind === kind).length;
    return many ? [`${many} ${counted[kind][many === 1 ? 0 : 1]}`] : [];
  });
  const waiting = news.length - fresh.length;
  const told = fresh.length ? `${fresh.length} new ${fresh.length === 1 ? "signal" : "signals"}: ${parts.join(", ")}.` : "";
  return [told, waiting ? `${waiting} still waiting for a tutor.` : ""].filter(Boolean).join(" ");
}
