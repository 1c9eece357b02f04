// The calls about classes, and those of an admin.
import { call } from "./api.js";

/** @typedef {{id: string, name: string, join_code?: string, teaching: boolean, students?: number, tutors: number, created_at: string}} Class */
/** @typedef {{user_id: string, display_name: string, email?: string, as: "student" | "tutor", created_at: string}} Member */
/** @typedef {{id: string, email: string, display_name: string, role: string, age_band: string, disabled: boolean, created_at: string}} Person */
/** @typedef {{id: string, at: string, event: string, actor: {id: string, name: string | null} | null, subject: {kind: string, id: string} | null, address?: string, detail?: Record<string, any>}} Entry */
/** @typedef {{consent_required: boolean, consent_below: number | null, consent_version: string, show_watchers: boolean}} Policy */
/** @template T @typedef {{items: T[], next_cursor: string | null}} Page */

/** @param {Record<string, string | undefined | null>} values */
const query = (values) => new URLSearchParams(Object.entries(values).flatMap(([name, value]) => (value ? [[name, value]] : [])));

/** @template T @param {any} reply @returns {Page<T>} */
const page = (reply) => (Array.isArray(reply) ? { items: reply, next_cursor: null } : reply);

/** @param {string | null} [cursor] @returns {Promise<Page<Class>>} */
export const listClasses = async (cursor) => page(await call("GET", `/classes?${query({ limit: "50", cursor })}`));

/** @param {string} id @returns {Promise<Class>} */
export const getClass = (id) => call("GET", `/classes/${id}`);

/** @param {string} name @returns {Promise<Class>} */
export const createClass = (name) => call("POST", "/classes", { body: { name } });

/** @param {string} id @param {string} name @returns {Promise<Class>} */
export const renameClass = (id, name) => call("PATCH", `/classes/${id}`, { body: { name } });

/** @param {string} id */
export const deleteClass = (id) => call("DELETE", `/classes/${id}`);

/** @param {string} id @returns {Promise<Class>} */
export const newJoinCode = (id) => call("POST", `/classes/${id}/join-code`);

/** @param {string} code @returns {Promise<Class>} */
export const joinClass = (code) => call("POST", "/classes/join", { body: { code } });

/** @param {string} id @param {string | null} [cursor] @returns {Promise<Page<Member>>} */
export const listMembers = async (id, cursor) => page(await call("GET", `/classes/${id}/members?${query({ limit: "100", cursor })}`));

/** @param {string} id @param {string} user @param {string} as */
export const addMember = (id, user, as) => call("POST", `/classes/${id}/members`, { body: { user_id: user, as } });

/** @param {string} id @param {string} user */
export const removeMember = (id, user) => call("DELETE", `/classes/${id}/members/${user}`);

/** Nobody's name or address is in an address of ours. @param {{search?: string, cursor?: string | null}} [options] @returns {Promise<Page<Person>>} */
export async function listUsers({ search, cursor } = {}) {
  if (!search) return page(await call("GET", `/admin/users?${query({ limit: "50", cursor })}`));
  return page(await call("POST", "/admin/users/search", { body: { q: search, limit: 50, ...(cursor ? { cursor } : {}) } }));
}

/** @typedef {Person & {reset_code?: {code: string, expires_at: string}}} MadePerson one without a password comes with a code */

/** @param {object} form @returns {Promise<MadePerson>} */
export const createUser = (form) => call("POST", "/admin/users", { body: form });

/** @param {string} id @param {{role?: string, disabled?: boolean, display_name?: string, age_band?: string}} change */
export const changeUser = (id, change) => call("PATCH", `/admin/users/${id}`, { body: change });

/** @param {string} id */
export const signOutUser = (id) => call("POST", `/admin/users/${id}/sign-out`);

/** Oneself too. @returns {Promise<{sign_ins: number}>} */
export const signEverybodyOut = () => call("POST", "/admin/sign-out");

/** @param {string} id @returns {Promise<{code: string, expires_at: string}>} */
export const resetCode = (id) => call("POST", `/admin/users/${id}/reset-code`);

/** @param {string} id @param {object} given */
export const recordConsent = (id, given) => call("PUT", `/admin/users/${id}/consent`, { body: given });

/** @param {string} id */
export const deleteUser = (id) => call("DELETE", `/admin/users/${id}`);

/** @returns {Promise<{name: string}>} */
export const organisation = () => call("GET", "/admin/organisation");

/** @param {string} name */
export const renameOrganisation = (name) => call("PATCH", "/admin/organisation", { body: { name } });

/** @returns {Promise<Policy>} */
export const policy = () => call("GET", "/admin/organisation/policy");

/** @param {Partial<Policy>} change @returns {Promise<Policy>} */
export const changePolicy = (change) => call("PATCH", "/admin/organisation/policy", { body: change });

/** @param {string | null} [cursor] @returns {Promise<Page<Entry>>} */
export const audit = async (cursor) => page(await call("GET", `/audit?${query({ limit: "50", cursor })}`));
