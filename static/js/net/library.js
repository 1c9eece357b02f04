// The calls about what tutors write for students.
import { call } from "./api.js";

/**
 * @typedef {object} Content `classes` and `author` for those who write; `body` where one is read whole
 * @property {string} id
 * @property {string} title
 * @property {string | null} subject
 * @property {number | null} grade_lowest
 * @property {number | null} grade_highest
 * @property {string} language
 * @property {string | null} source
 * @property {string | null} licence
 * @property {"draft" | "published"} state
 * @property {string[]} [classes]
 * @property {number} version
 * @property {{id: string, name: string} | null} [author]
 * @property {boolean} editable
 * @property {string} created_at
 * @property {string} updated_at
 */
/** @typedef {Content & {body: string}} WholeContent */
/** @typedef {Content & {excerpt: {text: string, hit: boolean}[]}} FoundContent */
/** @typedef {{version: number, title: string, state: string, at: string}} Version */
/** @template T @typedef {{items: T[], next_cursor: string | null}} Page */

/** @param {string | null} [cursor] @returns {Promise<Page<Content>>} */
export const listContent = (cursor) => call("GET", `/content?${new URLSearchParams({ limit: "50", ...(cursor ? { cursor } : {}) })}`);

/** @param {string} words @param {string | null} [cursor] @returns {Promise<Page<FoundContent>>} */
export const searchContent = (words, cursor) => call("POST", "/content/search", { body: { q: words, limit: 20, ...(cursor ? { cursor } : {}) } });

/** @param {string} id @returns {Promise<WholeContent>} */
export const getContent = (id) => call("GET", `/content/${id}`);

/** @param {object} content @returns {Promise<WholeContent>} */
export const createContent = (content) => call("POST", "/content", { body: content });

/** @param {string} id @param {object} content with the version that it changes @returns {Promise<WholeContent>} */
export const changeContent = (id, content) => call("PUT", `/content/${id}`, { body: content });

/** @param {string} id */
export const deleteContent = (id) => call("DELETE", `/content/${id}`);

/** @param {string} id @param {string | null} [cursor] @returns {Promise<Page<Version>>} */
export const listVersions = (id, cursor) => call("GET", `/content/${id}/versions?${new URLSearchParams({ limit: "20", ...(cursor ? { cursor } : {}) })}`);

/** @param {string} id @param {number} version @returns {Promise<Version & {body: string}>} */
export const getVersion = (id, version) => call("GET", `/content/${id}/versions/${version}`);

/** @param {string} id @param {number} version @param {number} now the version that counts @returns {Promise<WholeContent>} */
export const restoreVersion = (id, version, now) => call("POST", `/content/${id}/versions/${version}/restore`, { body: { version: now } });
