// The calls of tutors about one session and its student.
import { call } from "./api.js";

/** @template T @typedef {{items: T[], next_cursor: string | null}} Page */
/** @typedef {{id: string, student_id: string, author: {id: string, name: string} | null, text: string, created_at: string, updated_at: string}} Note */
/** @typedef {{id: string, at: string, kind: string, by: {id: string, name: string}, message_id?: string, whisper?: {text: string, until: string, state: string}}} Act */
/** @typedef {{kind: string, level: number, why: string, started_at: string, ended_at: string | null}} PastSignal */
/** @typedef {{session: any, messages: any[], acts: Act[], signals: PastSignal[], next_cursor?: string | null}} Replay */

/** @param {string} session */
export const whispersOf = (session) => call("GET", `/sessions/${session}/whispers?limit=50`);

/** @param {string} session @param {string | null} [cursor] @returns {Promise<Replay>} */
export const replayOf = (session, cursor) => call("GET", `/sessions/${session}/replay${cursor ? `?${new URLSearchParams({ cursor })}` : ""}`);

/** @param {string} student @param {string | null} [cursor] @returns {Promise<Page<Note>>} */
export async function notesOf(student, cursor) {
  const reply = await call("GET", `/students/${student}/notes${cursor ? `?${new URLSearchParams({ cursor })}` : ""}`);
  return Array.isArray(reply) ? { items: reply, next_cursor: null } : reply;
}

/** @param {string} student @param {string} text @returns {Promise<Note>} */
export const addNote = (student, text) => call("POST", `/students/${student}/notes`, { body: { text } });

/** @param {string} id @param {string} text @returns {Promise<Note>} */
export const changeNote = (id, text) => call("PATCH", `/notes/${id}`, { body: { text } });

/** @param {string} id */
export const deleteNote = (id) => call("DELETE", `/notes/${id}`);
