// What the student has said and the server has not yet shown. An entry keeps one id for its whole life, so
// it may be sent as often as it takes: the server takes each id once. Pure; outbox-store.js keeps it on disk.
//
//   queued ──▶ sending ──accepted──▶ sent ──seen in the log──▶ (gone)
//     ▲           │ ├──refused, but may pass later──▶ queued, not before `notBefore`
//     └──cut──────┘ └──refused──▶ failed ──try again──▶ queued

/** @typedef {"queued" | "sending" | "sent" | "failed"} Stage */
/**
 * @typedef {object} Outgoing
 * @property {string} id        becomes the message's id
 * @property {string} user
 * @property {string} session
 * @property {"send" | "edit"} kind
 * @property {string} text
 * @property {string[]} [files]  ids; of an edit those that its message has already
 * @property {string} [replaces] the message that an edit stands in for
 * @property {Stage} stage
 * @property {string} [error]   the code of the refusal
 * @property {number} [notBefore] milliseconds since 1970
 */

/** Refusals that time heals; all others need the student. @type {Record<string, number>} */
const passing = { queue_full: 3000, rate_limited: 5000, draining: 3000, storage_unavailable: 5000 };

/** @param {Outgoing} entry */
export function toCommand(entry) {
  return entry.kind === "edit"
    ? { type: "edit", id: entry.id, message: entry.replaces, text: entry.text }
    : { type: "send", id: entry.id, text: entry.text, ...(entry.files?.length ? { files: entry.files } : {}) };
}

/**
 * The next one to send. One at a time: the next goes when the one before is accepted, so they keep their order.
 * @param {Outgoing[]} entries oldest first
 * @param {number} now
 */
export function nextDue(entries, now) {
  const first = entries.find((entry) => entry.stage === "queued" || entry.stage === "sending");
  return first?.stage === "queued" && (first.notBefore ?? 0) <= now ? first : undefined;
}

/** When the first waiting one may go; undefined if nothing waits for time to pass. @param {Outgoing[]} entries @param {number} now */
export function nextWake(entries, now) {
  const first = entries.find((entry) => entry.stage === "queued" || entry.stage === "sending");
  return first?.stage === "queued" && first.notBefore && first.notBefore > now ? first.notBefore : undefined;
}

/** @param {Outgoing[]} entries @param {string} id @returns {Outgoing[]} */
export const markSending = (entries, id) => put(entries, id, { stage: "sending", error: undefined, notBefore: undefined });

/** @param {Outgoing[]} entries @param {string} id @returns {Outgoing[]} */
export const markAccepted = (entries, id) => put(entries, id, { stage: "sent", error: undefined, notBefore: undefined });

/** @param {Outgoing[]} entries @param {string} id @returns {Outgoing[]} */
export const markRetry = (entries, id) => put(entries, id, { stage: "queued", error: undefined, notBefore: undefined });

/**
 * @param {Outgoing[]} entries @param {string} id
 * @param {{code: string, retry_after_ms?: number}} refusal
 * @param {number} now
 * @returns {Outgoing[]}
 */
export function markRefused(entries, id, refusal, now) {
  const wait = passing[refusal.code];
  if (wait === undefined) return put(entries, id, { stage: "failed", error: refusal.code });
  return put(entries, id, { stage: "queued", error: refusal.code, notBefore: now + (refusal.retry_after_ms ?? wait) });
}

/** The line is cut: what was under way may or may not have arrived, so it goes again. @param {Outgoing[]} entries @returns {Outgoing[]} */
export function markCut(entries) {
  return entries.map((entry) => (entry.stage === "sending" ? { ...entry, stage: "queued" } : entry));
}

/**
 * Drops what the log shows.
 * @param {Outgoing[]} entries
 * @param {Set<string>} seen ids of messages that are complete in the log
 * @param {boolean} all whether the log's list is whole: then what was accepted and is not in it was superseded
 * @returns {Outgoing[]}
 */
export function dropSeen(entries, seen, all) {
  return entries.filter((entry) => !seen.has(entry.id) && !(all && entry.stage === "sent"));
}

/** @param {Outgoing[]} entries @param {string} id @param {Partial<Outgoing>} change @returns {Outgoing[]} */
function put(entries, id, change) {
  return entries.map((entry) => (entry.id === id ? { ...entry, ...change } : entry));
}
