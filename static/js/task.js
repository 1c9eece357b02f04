// Tasks, the server's work in the background, in words. Pure; net/tasks.js asks for them.

/**
 * @typedef {object} Task
 * @property {string} id
 * @property {string} kind
 * @property {"queued" | "running" | "succeeded" | "failed"} status
 * @property {number} progress  from 0 to 1
 * @property {number} attempts  how often it was begun
 * @property {{code: string, message: string}} [error]
 * @property {any} [result]
 * @property {string} run_at    while it waits: not before
 * @property {string} created_at
 * @property {string} [started_at]
 * @property {string} [ended_at]
 */

/** @type {Record<string, string>} */
export const kinds = {
  document_parse: "Reading a document",
  document_pages: "Reading a document's pages",
  worksheet: "Reading a worksheet",
  flash_cards: "Making flash cards",
  practice_questions: "Making practice questions",
  session_summary: "Summing up a conversation",
  quiet_sessions: "Looking for conversations to sum up",
  retention: "Deleting what is old enough",
  files_sweep: "Clearing away files nobody needs",
};

/** @type {Record<string, string>} */
export const failures = {
  cancelled: "It was called off.",
  timed_out: "It took too long.",
  lease_lost: "The server that worked on it stopped in the middle.",
  gone: "What it was about is no longer there.",
  storage_unavailable: "The database or the files could not be reached.",
  unreadable: "The file can't be read.",
  too_large: "It is too large.",
  busy: "Too much was being read at once.",
  not_allowed: "Whoever asked for it may not ask the AI now.",
  nothing_to_read: "There are no words yet that it could be made of.",
  content_blocked: "The AI may not speak of this.",
  model_rate_limited: "The AI was asked too often.",
  model_unavailable: "The AI could not be reached.",
  model_timeout: "The AI took too long.",
  model_truncated: "The AI's answer broke off.",
  model_bad_response: "The AI sent something that could not be read.",
  model_empty: "The AI had no answer.",
  panicked: "A mistake in fynq stopped it.",
  internal: "Something broke on our side.",
  bad_payload: "What it was asked to do makes no sense.",
};

/** @param {string} kind */
export const kindName = (kind) => kinds[kind] ?? kind.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());

/** Why it did not work; the server's own sentence for codes that are new here. @param {Task} task */
export const failure = ({ error }) => (error ? failures[error.code] ?? error.message : "");

/** @param {Task} task */
export const isOver = ({ status }) => status === "succeeded" || status === "failed";

/** @param {Task} task */
export const isCalledOff = ({ status, error }) => status === "failed" && error?.code === "cancelled";

/** What has become of it, in a word or two. @param {Task} task @param {number} [now] */
export function standing(task, now = Date.now()) {
  if (task.status === "running") return "Running";
  if (task.status === "succeeded") return "Done";
  if (task.status === "failed") return isCalledOff(task) ? "Called off" : "Failed";
  return task.attempts > 0 && Date.parse(task.run_at) > now ? "Tried again soon" : "Waiting";
}

/** Never 100 before it is. @param {number} part from 0 to 1 */
export const percent = (part) => (part >= 1 ? 100 : Math.max(0, Math.floor(part * 100 + 1e-4)));

/**
 * What is shown, and what a fresh look at the newest says: those that are known are changed where they stand,
 * those that are not are counted as news.
 * @param {Task[]} shown @param {Task[]} fresh
 */
export function lookedAgain(shown, fresh) {
  const known = new Set(shown.map(({ id }) => id));
  const newest = new Map(fresh.map((task) => [task.id, task]));
  return {
    tasks: shown.map((task) => newest.get(task.id) ?? task),
    news: fresh.filter(({ id }) => !known.has(id)).length,
    // They may have left what was asked for, or lie further down.
    unseen: shown.filter((task) => !isOver(task) && !newest.has(task.id)).map(({ id }) => id),
  };
}
