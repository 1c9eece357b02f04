// The calls about one's own account.
import { answered, call, callAnew } from "./api.js";

/** @typedef {{id: string, created_at: string, last_used_at: string, label: string, current: boolean}} SignIn */
/** @typedef {{required: boolean, state: "unknown" | "given" | "withdrawn", version?: string, by?: string, at?: string}} Consent */

/** @param {string} current @param {string} wanted */
export const changePassword = (current, wanted) =>
  callAnew("/auth/password", { current_password: current, new_password: wanted });

/** @param {string} password @param {string} email */
export const changeEmail = (password, email) => callAnew("/auth/email", { password, new_email: email });

/** @returns {Promise<SignIn[]>} */
export const signIns = async () => items(await call("GET", "/users/me/sign-ins"));

/** @param {string} id */
export const endSignIn = (id) => call("DELETE", `/users/me/sign-ins/${id}`);

/** @param {string} password */
export const endOtherSignIns = (password) => callAnew("/auth/logout-others", { password });

/** @returns {Promise<Consent>} */
export const consent = () => call("GET", "/users/me/consent");

export const usage = () => call("GET", "/users/me/usage");

/** Everything about somebody, as a file. @param {string} [id] oneself, if it is left out */
export async function exportData(id) {
  return (await answered("GET", id ? `/admin/users/${id}/export` : "/users/me/export")).blob();
}

/** @param {string} password */
export const deleteMe = (password) => call("DELETE", "/users/me", { body: { password } });

/** A list may come bare or as a page. @param {any} reply */
const items = (reply) => (Array.isArray(reply) ? reply : reply.items);
