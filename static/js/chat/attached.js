// What goes with the next message. Pure; ui/attachments.js sends it and shows it.
//
//   uploading ──▶ ready
//      ▲  └──▶ failed ──try again──▶ uploading

/** @typedef {"uploading" | "ready" | "failed"} Stage */
/**
 * @typedef {object} Attachment
 * @property {number} key       of this page alone
 * @property {string} name
 * @property {Stage} stage
 * @property {number} progress  from 0 to 1
 * @property {string} [id]      the server's, once it is there
 * @property {string} [error]   the code of the refusal
 */

/** As many as the server takes with one message. */
export const most = 5;

/** @param {Attachment[]} list @param {number} key @param {string} name @param {number} [room] @returns {Attachment[]} */
export const add = (list, key, name, room = most) => (list.length < room ? [...list, { key, name, stage: "uploading", progress: 0 }] : list);

/** @param {Attachment[]} list @param {number} key @param {number} progress */
export const moved = (list, key, progress) => put(list, key, { progress });

/** @param {Attachment[]} list @param {number} key @param {string} id */
export const arrived = (list, key, id) => put(list, key, { stage: "ready", progress: 1, id, error: undefined });

/** @param {Attachment[]} list @param {number} key @param {string} error */
export const refused = (list, key, error) => put(list, key, { stage: "failed", progress: 0, error });

/** @param {Attachment[]} list @param {number} key */
export const again = (list, key) => put(list, key, { stage: "uploading", progress: 0, error: undefined });

/** @param {Attachment[]} list @param {number} key @returns {Attachment[]} */
export const without = (list, key) => list.filter((each) => each.key !== key);

/** @param {Attachment[]} list @returns {string[]} */
export const ids = (list) => list.flatMap((each) => each.id ?? []);

/** Whether a message may go with all of it: what failed is tried again or taken away first. @param {Attachment[]} list */
export const isReady = (list) => list.every((each) => each.stage === "ready");

/** @param {Attachment[]} list @param {number} key @param {Partial<Attachment>} change @returns {Attachment[]} */
const put = (list, key, change) => list.map((each) => (each.key === key ? { ...each, ...change } : each));
