// The calls about tasks, and following one until it is over.
import { isOver } from "../task.js";
import { answered, call } from "./api.js";
import { retryDelay } from "./comeback.js";
import { events } from "./events.js";

/** @typedef {import("../task.js").Task} Task */

/**
 * One's own, to an admin the school's; the newest first.
 * @param {{status?: string, kind?: string, cursor?: string | null, limit?: number}} [what]
 * @returns {Promise<{items: Task[], next_cursor: string | null}>}
 */
export function listTasks({ status, kind, cursor, limit = 30 } = {}) {
  const asked = { limit: String(limit), ...(status && { status }), ...(kind && { kind }), ...(cursor && { cursor }) };
  return call("GET", `/tasks?${new URLSearchParams(asked)}`);
}

/** @param {string} id @returns {Promise<Task>} */
export const getTask = (id) => call("GET", `/tasks/${id}`);

/** @param {string} id @returns {Promise<Task>} */
export const cancelTask = (id) => call("POST", `/tasks/${id}/cancel`);

/** @param {string} id @returns {Promise<Task>} */
export const requeueTask = (id) => call("POST", `/tasks/${id}/requeue`);

/** Where the stream is refused because too many are watched, the task is asked for so often. */
const pollEvery = 2500;

/**
 * Tells what becomes of a task until it is over: by the server's events, and while there are none by asking. A cut
 * line is tried again; what will never work (it is gone, or not theirs) is thrown.
 * @param {string} id
 * @param {(task: Task) => void} told
 * @param {AbortSignal} signal ends it with an `AbortError`
 * @returns {Promise<Task>} as it ended
 */
export async function followTask(id, told, signal) {
  for (let failures = 0; ; failures += 1) {
    try {
      const response = await answered("GET", `/tasks/${id}/events`, { signal, accept: "text/event-stream" });
      for await (const task of events(/** @type {ReadableStream<Uint8Array>} */ (response.body))) {
        signal.throwIfAborted();
        failures = 0;
        told(task);
        if (isOver(task)) return task;
      }
    } catch (/** @type {any} */ problem) {
      signal.throwIfAborted();
      if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) throw problem;
      if (problem.status === 503) {
        const task = await getTask(id).catch(() => null);
        signal.throwIfAborted();
        if (task) told(task);
        if (task && isOver(task)) return task;
      }
    }
    await pause(failures === 0 ? pollEvery : Math.max(pollEvery, retryDelay(failures)), signal);
  }
}

/** @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
