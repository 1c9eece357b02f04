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
 * @property {ContentFile[]} [files]
 * @property {string} created_at
 * @property {string} updated_at
 */
/**
 * @typedef {object} ContentFile `task`: what reads it, for whoever may edit the content
 * @property {string} id
 * @property {string} name
 * @property {string} media_type
 * @property {number} size
 * @property {number} [pages]
 * @property {"none" | "waiting" | "read" | "failed"} reading
 * @property {number} [read_pages]
 * @property {boolean} [cut] there are more words than can be searched
 * @property {string} [task]
 */
/** @typedef {Content & {body: string}} WholeContent */
/** @typedef {Content & {excerpt: {text: string, hit: boolean}[], page?: number | null, file?: string | null}} FoundContent `page`: of `file`; else the words stand in the text */
/** @typedef {{subject?: string, grade?: string}} Filter */
/** @typedef {{version: number, title: string, state: string, at: string}} Version */
/** @template T @typedef {{items: T[], next_cursor: string | null}} Page */

/** @param {Filter & {cursor?: string | null, limit?: number}} [what] @returns {Promise<Page<Content>>} */
export function listContent({ subject, grade, cursor, limit = 50 } = {}) {
  return call("GET", `/content?${new URLSearchParams({ limit: String(limit), ...(subject && { subject }), ...(grade && { grade }), ...(cursor && { cursor }) })}`);
}

/** @param {string} words @param {Filter & {cursor?: string | null}} [what] @returns {Promise<Page<FoundContent>>} */
export function searchContent(words, { subject, grade, cursor } = {}) {
  return call("POST", "/content/search", { body: { q: words, limit: 20, ...(subject && { subject }), ...(grade && { grade: Number(grade) }), ...(cursor && { cursor }) } });
}

/** What stands on some pages of a file. @param {string} id @param {string} file @param {number} from @param {number} [limit] @returns {Promise<{pages: {page: number, text: string}[], total: number}>} */
export const readPages = (id, file, from, limit = 1) => call("GET", `/content/${id}/files/${file}/pages?${new URLSearchParams({ from: String(from), limit: String(limit) })}`);

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
