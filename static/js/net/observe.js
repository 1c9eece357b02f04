// The calls of a tutor who watches several sessions at once.
import { answered, call } from "./api.js";

/** @typedef {{session_id: string, kind: string, useful: boolean | null, muted_until: string | null}} Mark */
/** @typedef {{id: string, name: string}} Person */
/** @typedef {{kind: string, times: number, first_at: string, why: string, useful: boolean | null}} DaySignal */
/** @typedef {{student: Person, sessions: number, questions: number, helped: {by: Person, acts: Record<string, number>}[], signals: DaySignal[], needed_help: boolean}} DayStudent */
/** @typedef {{class: Person, day: string, students: DayStudent[], signals: Record<string, {shown: number, useful: number, not_useful: number}>}} Digest */

/**
 * One's own marks, and by how much this machine's clock is ahead of the server's: waiting times are counted on
 * here from the server's times.
 * @returns {Promise<{items: Mark[], ahead: number}>}
 */
export async function listMarks() {
  const response = await answered("GET", "/observe/marks");
  const there = Date.parse(response.headers.get("date") ?? "");
  const ahead = there ? Date.now() - there : 0;
  // The header counts whole seconds, and the answer was on its way.
  return { items: (await response.json()).items, ahead: Math.abs(ahead) < 3000 ? 0 : ahead };
}

/** @param {string} session @param {string} kind @param {{useful?: boolean | null, muted_minutes?: number, dealt_with?: true}} change @returns {Promise<Omit<Mark, "session_id">>} */
export const markSignal = (session, kind, change) => call("PUT", `/sessions/${session}/signals/${kind}`, { body: change });

/** Tells the student that one is coming. @param {string} session */
export const claimHand = (session) => call("POST", `/sessions/${session}/claim`);

/** @param {string} id of the class @param {string} day as 2026-11-23, in UTC @returns {Promise<Digest>} */
export const classDigest = (id, day) => call("GET", `/classes/${id}/digest?${new URLSearchParams({ day })}`);
