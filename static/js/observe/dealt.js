// What somebody has seen to: no signal any more, and a line that says who it was. Pure.

/** @typedef {{kind: string, by: string, at: number}} Dealt */

/** @param {any} items `dealt_with` of a session's signals @param {number} ahead of the server's clock @returns {Dealt[]} */
export function readDealt(items, ahead = 0) {
  const list = Array.isArray(items) ? items : [];
  return list.map(({ kind, by, at }) => ({ kind: String(kind), by: String(by?.name || "a tutor"), at: (Date.parse(at) || Date.now() - ahead) + ahead }));
}

/** @param {Dealt} dealt */
export const dealtWords = ({ by, at }) => `Dealt with by ${by} at ${new Date(at).toLocaleTimeString([], { timeStyle: "short" })}`;

/** The one kind that stands until somebody has seen to it. @param {string} kind */
export const canBeDealtWith = (kind) => kind === "safety";
