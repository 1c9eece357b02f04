// The REST calls that the page makes. A token that has run out is renewed and the call made once more.
import { accessToken, account, anew, forget, held, remember } from "./identity.js";
import { Problem } from "./problem.js";

/**
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, open?: boolean}} [options] `open`: needs no one signed in
 * @returns {Promise<any>}
 */
export async function call(method, path, options = {}) {
  const response = await answered(method, path, options);
  return response.status === 204 ? null : response.json();
}

/**
 * The answer itself, for what is not read as JSON.
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, open?: boolean, accept?: string, signal?: AbortSignal}} [options]
 */
export async function answered(method, path, { body, open = false, ...how } = {}) {
  const token = open ? "" : await accessToken();
  let response = await request(method, path, body, token, how);
  if (response.status === 401 && !open) {
    // A wrong password, asked for once more, is a 401 too: then the token is not what is wrong.
    const problem = await Problem.from(response);
    if (problem.code !== "unauthorized") throw problem;
    response = await request(method, path, body, await accessToken({ not: token }), how);
  }
  if (!response.ok) throw await Problem.from(response);
  return response;
}

/**
 * @param {string} method @param {string} path @param {unknown} body @param {string} token
 * @param {{accept?: string, signal?: AbortSignal}} [how]
 */
async function request(method, path, body, token, { accept = "application/json", signal } = {}) {
  /** @type {Record<string, string>} */
  const headers = { accept };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  try {
    return await fetch(`/api/v1${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
  } catch {
    signal?.throwIfAborted();
    throw new Problem(0, "offline");
  }
}

/**
 * A call that ends every sign-in of whoever makes it and answers with another one, which this browser goes on with.
 * @param {string} path
 * @param {object} body
 */
export async function callAnew(path, body) {
  const token = await accessToken();
  return anew(async (known) => {
    // Another tab may have renewed it while this one waited for its turn.
    const response = await request("POST", path, body, known ?? token);
    if (!response.ok) throw await Problem.from(response);
    return response.status === 204 ? null : response.json();
  });
}

/** What a sign-in takes the place of, if anything. */
const instead = () => (held() ? { refresh_token: held() } : {});

export const about = () => call("GET", "", { open: true });

/** @param {{email: string, password: string, keep: boolean}} form */
export async function signIn({ email, password, keep }) {
  remember(await call("POST", "/auth/login", { body: { email, password, ...instead() }, open: true }), keep);
}

/** @param {{email: string, password: string, name: string, code: string, keep: boolean}} form */
export async function signUp({ email, password, name, code, keep }) {
  const body = { email, password, ...(name ? { display_name: name } : {}), ...(code ? { join_code: code } : {}), ...instead() };
  remember(await call("POST", "/auth/register", { body, open: true }), keep);
}

/** The browser forgets at once; the server is told, if it can be reached. */
export async function signOut() {
  const known = account();
  forget();
  if (known) await request("POST", "/auth/logout", { refresh_token: known.refresh }, known.access).catch(() => {});
}

/** Asks the school, or its mail, for help with a forgotten password. @param {string} email */
export const forgotPassword = (email) => call("POST", "/auth/forgot", { body: { email }, open: true });

/** @param {{email: string, code: string, new_password: string}} form */
export const resetPassword = (form) => call("POST", "/auth/reset", { body: form, open: true });

export const profile = () => call("GET", "/users/me");

/** @param {object} change */
export const saveProfile = (change) => call("PUT", "/users/me", { body: change });

/** What is searched for is in no address. @param {{q?: string, cursor?: string}} [options] */
export function listSessions({ q, cursor } = {}) {
  if (q) return call("POST", "/sessions/search", { body: { q, limit: 50, ...(cursor ? { cursor } : {}) } });
  return call("GET", `/sessions?${new URLSearchParams({ limit: "50", ...(cursor ? { cursor } : {}) })}`);
}

/** @param {string} [title] */
export const createSession = (title) => call("POST", "/sessions", { body: { title } });

/** @param {string} id */
export const getSession = (id) => call("GET", `/sessions/${id}`);

/** @param {string} id @param {string} title */
export const renameSession = (id, title) => call("PATCH", `/sessions/${id}`, { body: { title } });

/** @param {string} id */
export const deleteSession = (id) => call("DELETE", `/sessions/${id}`);

/** @param {string} id @param {string} before a message's id */
export function earlierMessages(id, before) {
  return call("GET", `/sessions/${id}/messages?${new URLSearchParams({ before, limit: "50" })}`);
}

/** What opens one socket, once. @returns {Promise<string>} */
export async function socketTicket() {
  return (await call("POST", "/socket-tickets")).ticket;
}
