// The board: every live session that a tutor may see, as the frames of the roster socket tell it. Pure, and
// copied once for each batch of frames, so that whoever draws it sees which sessions a batch has touched.
import { readDealt } from "./dealt.js";

/** @typedef {{id: string, name: string}} Person */
/** @typedef {"waiting" | "thinking" | "answering" | "idle" | "tutor"} TileState */
/** @typedef {import("./dealt.js").Dealt} Dealt */
/** @typedef {"safety" | "hand" | "struggling" | "error" | "off_task" | "idle"} SignalKind the most urgent first */
/** @typedef {{kind: SignalKind, level: number, since: number, why: string}} Signal */
/** @typedef {{id: string, name: string, students: Set<string>}} Group a class */
/** @typedef {{since: number, claimedBy: Person | null}} Hand */
/**
 * @typedef {object} Tile
 * @property {string} id             of the session
 * @property {Person} student
 * @property {string} title
 * @property {string} subject
 * @property {TileState} state
 * @property {number} stateSince
 * @property {number} activityAt
 * @property {number} turns
 * @property {string} preview        hostile: whatever a student or a model has written
 * @property {Person | null} tutor   who holds the session
 * @property {number} watchers
 * @property {Hand | null} hand
 * @property {Signal[]} signals      the most urgent first
 * @property {Dealt[]} dealt          what somebody has seen to
 */
/**
 * @typedef {object} Board
 * @property {Map<string, Tile>} tiles
 * @property {Group[]} classes
 * @property {boolean} ready           a whole roster has come
 * @property {ReadonlySet<string>} touched   what the last batch has changed, also what it took away
 */

export const kinds = /** @type {SignalKind[]} */ (["safety", "hand", "struggling", "error", "off_task", "idle"]);
export const states = /** @type {TileState[]} */ (["waiting", "thinking", "answering", "idle", "tutor"]);

/** @type {Board} */
export const emptyBoard = { tiles: new Map(), classes: [], ready: false, touched: new Set() };

/**
 * @param {Board} board
 * @param {any[]} frames in the order in which they came
 * @param {number} [ahead] by how much this machine's clock is ahead of the server's, in milliseconds
 * @returns {Board}
 */
export function applyFrames(board, frames, ahead = 0) {
  const touched = new Set();
  let { classes, ready } = board;
  let tiles = new Map(board.tiles);
  for (const frame of frames) {
    const told = frame?.ctl;
    if (told?.type === "roster") {
      for (const id of tiles.keys()) touched.add(id);
      tiles = new Map(list(told.sessions).filter(({ session_id }) => session_id).map((session) => [session.session_id, readTile(session, ahead)]));
      for (const id of tiles.keys()) touched.add(id);
      if (told.classes) classes = readClasses(told.classes);
      ready = true;
    } else if (told?.type === "roster_changed" && told.session?.session_id) {
      tiles.set(told.session.session_id, readTile(told.session, ahead));
      touched.add(told.session.session_id);
    } else if (told?.type === "roster_changed" && told.gone) {
      tiles.delete(told.gone);
      touched.add(told.gone);
    } else if (told?.type === "roster_classes") {
      classes = readClasses(told.classes);
    }
  }
  return { tiles, classes, ready, touched };
}

/** @param {any} session @param {number} ahead @returns {Tile} */
function readTile(session, ahead) {
  const time = (/** @type {any} */ text) => (Date.parse(text) || Date.now() - ahead) + ahead;
  const { student, hand } = session;
  const activityAt = time(session.last_activity_at);
  const stateSince = session.state_since ? time(session.state_since) : activityAt;
  const items = list(session.signals?.items).filter((item) => kinds.includes(item.kind) && item.kind !== "hand");
  const signals = items.map(({ kind, level, since, why }) => ({ kind, level: Number(level) || 1, since: time(since), why: String(why ?? "") }));
  const raised = hand ? { since: time(hand.since), claimedBy: hand.claimed_by ?? null } : session.signals?.hand_raised ? { since: stateSince, claimedBy: null } : null;
  if (raised) signals.push({ kind: "hand", level: 2, since: raised.since, why: raised.claimedBy ? `${raised.claimedBy.name} is coming` : "Asked for a human" });
  signals.sort((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind));
  return {
    id: session.session_id,
    student: { id: String(student?.id ?? ""), name: String(student?.name || "A student") },
    title: String(session.title ?? ""),
    subject: String(session.subject ?? ""),
    state: states.includes(session.state) ? session.state : "waiting",
    stateSince,
    activityAt,
    turns: Number(session.turns) || 0,
    preview: String(session.preview ?? ""),
    tutor: session.tutor ?? null,
    watchers: Number(session.watchers) || 0,
    hand: raised,
    signals,
    dealt: readDealt(session.signals?.dealt_with, ahead),
  };
}

/** @param {any} classes @returns {Group[]} */
function readClasses(classes) {
  return list(classes).map(({ id, name, students }) => ({ id: String(id), name: String(name ?? ""), students: new Set(list(students)) }));
}

/** @param {any} value @returns {any[]} */
const list = (value) => (Array.isArray(value) ? value : []);

/** The sessions with a raised hand, the longest waiting first. @param {Board} board */
export function raisedHands(board) {
  const raised = [...board.tiles.values()].filter((tile) => tile.hand);
  return raised.sort((a, b) => (a.hand?.since ?? 0) - (b.hand?.since ?? 0) || (a.id < b.id ? -1 : 1));
}
