// Who is signed in. Both tokens are one record in localStorage, shared by all tabs of the browser; beside them only
// an id and a role are kept. Names and e-mail addresses are asked for anew and known to this tab alone.
//
// A refresh token works once, and one used twice ends its whole family: so one tab at a time refreshes,
// under a lock, and looks first whether another has just done it. The access token lies beside it because a
// reload must not cost a refresh: one that is cut off in flight would have used the token up for nothing.
import { Problem } from "./problem.js";

/** @typedef {{id: string, email?: string, role: string, display_name?: string}} User */
/** @typedef {{access: string, expires: number, refresh: string, user: User, keep: boolean}} Account */

const key = "fynq.account";
// By https no other host, page or plain connection can set a cookie of this name.
const [alive, secure] = location.protocol === "https:" ? ["__Host-fynq_alive", "; Secure"] : ["fynq_alive", ""];
const early = 60_000;

/** What this tab has heard of whoever is signed in. @type {Partial<User>} */
let heard = {};
/** The refresh token of a sign-in that was forgotten, which the next one ends. */
let left = "";
/** @type {Set<() => void>} */
const watchers = new Set();

/** Told when someone signs in or out, in this tab or another. @param {() => void} watcher */
export function onIdentityChange(watcher) {
  watchers.add(watcher);
}

globalThis.addEventListener?.("storage", (event) => {
  if (event.key !== key && event.key !== null) return;
  if (stored()?.user.id !== heard.id) heard = {};
  for (const watcher of watchers) watcher();
});

/** @returns {Account | null} */
function stored() {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

/** @param {Account} record */
function store({ user: { id, role }, ...record }) {
  localStorage.setItem(key, JSON.stringify({ ...record, user: { id, role } }));
}

/** @returns {Account | null} */
export function account() {
  const known = stored();
  return known && { ...known, user: { ...(heard.id === known.user.id ? heard : {}), ...known.user } };
}

/** @param {any} reply of whatever begins or renews a sign-in @param {boolean} keep */
export function remember(reply, keep) {
  const expires = Date.now() + reply.expires_in * 1000;
  heard = { ...(heard.id === reply.user.id ? heard : {}), ...reply.user };
  store({ access: reply.access_token, expires, refresh: reply.refresh_token, user: reply.user, keep });
  left = "";
  markAlive();
  for (const watcher of watchers) watcher();
}

/** What the profile says of them. @param {{id: string, display_name?: string, email: string, role: string}} profile */
export function rememberProfile({ id, display_name = "", email, role }) {
  const known = stored();
  if (known?.user.id !== id) return;
  const user = { id, display_name, email, role };
  heard = user;
  if (known.user.role !== role) store({ ...known, user });
}

export function forget() {
  left = stored()?.refresh ?? left;
  heard = {};
  localStorage.removeItem(key);
  for (const watcher of watchers) watcher();
}

/** The refresh token of a sign-in that this browser still holds, or has left without being heard: the next ends it. */
export const held = () => stored()?.refresh ?? left;

/**
 * Takes over the sign-in that an act answers with; the one before is over, and nobody asks for a token by it
 * meanwhile. @template {any} T @param {(access?: string) => Promise<T>} act gets the token that is stored when its turn comes
 * @returns {Promise<T>}
 */
export function anew(act) {
  return alone(async () => {
    const before = stored();
    const reply = /** @type {any} */ (await act(before?.access));
    const now = stored();
    // Forgotten meanwhile, it is still the only one there is; somebody else's is theirs.
    if (reply?.access_token && (now ?? before)?.user.id === reply.user.id) remember(reply, (now ?? before)?.keep ?? false);
    return reply;
  });
}

/**
 * Someone who did not ask to stay signed in is signed out when the browser is closed: a cookie that lives as
 * long as the browser says whether it was.
 */
export function forgetIfBrowserWasClosed() {
  const known = stored();
  // Earlier versions of this page kept more.
  if (known) store(known);
  if (known && !known.keep && !document.cookie.split("; ").includes(`${alive}=1`)) forget();
  else if (known) markAlive();
}

function markAlive() {
  document.cookie = `${alive}=1${secure}; Path=/; SameSite=Strict`;
}

/**
 * An access token that is good for a while yet.
 * @param {{not?: string}} [options] `not`: a token that was refused, so another is needed
 * @returns {Promise<string>}
 */
export async function accessToken({ not } = {}) {
  const known = account();
  if (!known) throw new Problem(401, "signed_out");
  const lifetime = known.expires - Date.now();
  if (known.access !== not && lifetime > 0) {
    if (lifetime < early) alone(() => refresh(known.access)).catch(() => {});
    if (lifetime > 5000) return known.access;
  }
  return alone(() => refresh(known.access));
}

/** @param {string} stale @returns {Promise<string>} */
async function refresh(stale) {
  const known = account();
  if (!known) throw new Problem(401, "signed_out");
  if (known.access !== stale) return known.access;
  const response = await fetch("/api/v1/auth/refresh", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ refresh_token: known.refresh }),
  }).catch(() => {
    throw new Problem(0, "offline");
  });
  if (!response.ok) {
    const problem = await Problem.from(response);
    const over = response.status === 401 || response.status === 403 || response.status === 422;
    const now = account();
    if (over && now?.refresh === known.refresh) forget();
    // Another tab has signed the same person in anew.
    else if (over && now?.user.id === known.user.id) return now.access;
    throw over ? new Problem(401, "signed_out") : problem;
  }
  const reply = await response.json();
  if (account()?.refresh === known.refresh) remember(reply, known.keep);
  return reply.access_token;
}

/** @type {Promise<any>} */
let queue = Promise.resolve();

/** One at a time, across tabs where the browser has locks. @template T @param {() => Promise<T>} act @returns {Promise<T>} */
function alone(act) {
  if (navigator.locks) return navigator.locks.request("fynq.refresh", act);
  queue = queue.then(act, act);
  return queue;
}
