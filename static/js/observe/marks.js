// What a tutor thinks of a signal: muted for a while, right, or not useful. Pure; the server keeps it.

/** @typedef {import("./board.js").SignalKind} SignalKind */
/** @typedef {{useful: boolean | null, mutedUntil: number}} Mark */
/** @typedef {ReadonlyMap<string, Mark>} Marks */

/** @type {Marks} */
export const noMarks = new Map();

/** @param {string} session @param {string} kind */
const keyOf = (session, kind) => `${session} ${kind}`;

/** @param {any[]} items of GET /observe/marks @param {number} ahead of the server's clock @returns {Marks} */
export function readMarks(items, ahead = 0) {
  return new Map(items.map((item) => [keyOf(item.session_id, item.kind), readMark(item, ahead)]));
}

/** @param {any} item @param {number} ahead @returns {Mark} */
function readMark({ useful, muted_until }, ahead) {
  return { useful: typeof useful === "boolean" ? useful : null, mutedUntil: (Date.parse(muted_until ?? "") || -ahead) + ahead };
}

/** @param {Marks} marks @param {string} session @param {string} kind @param {any} item what the server answered @param {number} ahead @returns {Marks} */
export function withMark(marks, session, kind, item, ahead = 0) {
  return new Map(marks).set(keyOf(session, kind), readMark(item, ahead));
}

/** @param {Marks} marks @param {string} session @param {string} kind @returns {Mark} */
export const markOf = (marks, session, kind) => marks.get(keyOf(session, kind)) ?? { useful: null, mutedUntil: 0 };

/** @param {Marks} marks @param {string} session @param {string} kind @param {number} now */
export const isMuted = (marks, session, kind, now) => markOf(marks, session, kind).mutedUntil > now;

/** For how long each kind can be muted, in minutes. Safety comes back after an hour at most. @param {SignalKind} kind */
export const muteChoices = (kind) => (kind === "safety" ? [15, 60] : [15, 60, 1440]);
