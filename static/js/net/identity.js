// Who is signed in. Both tokens are one record in localStorage, shared by all tabs of the browser.
//
// A refresh token works once, and one used twice ends its whole family: so one tab at a time refreshes,
// under a lock, and looks first whether another has just done it. The access token lies beside it because a
// reload must not cost a refresh: one that is cut off in flight would have used the token up for nothing.
import { Problem } from "./problem.js";

/** @typedef {{id: string, email: string, role: string, display_name?: string}} User */
/** @typedef {{access: string, expires: number, refresh: string, user: User, keep: boolean}} Account */

const key = "fynq.account";
// By https no other host, page or plain connection can set a cookie of this name.
const [alive, held] = location.protocol === "https:" ? ["__Host-fynq_alive", "; Secure"] : ["fynq_alive", ""];
const early = 60_000;

/** @type {Set<() => void>} */
const watchers = new Set();

/** Told when someone signs in or out, in this tab or another. @param {() => void} watcher */
export function onIdentityChange(watcher) {
  watchers.add(watcher);
}

globalThis.addEventListener?.("storage", (event) => {
  if (event.key === key || event.key === null) for (const watcher of watchers) watcher();
});

/** @returns {Account | null} */
export function account() {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

/** @param {any} reply of register, login or refresh @param {boolean} keep */
export function remember(reply, keep) {
  const expires = Date.now() + reply.expires_in * 1000;
  const user = { ...account()?.user, ...reply.user };
  localStorage.setItem(key, JSON.stringify({ access: reply.access_token, expires, refresh: reply.refresh_token, user, keep }));
  markAlive();
  for (const watcher of watchers) watcher();
}

/** What the profile says of them. @param {{display_name?: string, email: string, role: string}} profile */
export function rememberProfile({ display_name = "", email, role }) {
  const known = account();
  if (known) localStorage.setItem(key, JSON.stringify({ ...known, user: { ...known.user, display_name, email, role } }));
}

export function forget() {
  localStorage.removeItem(key);
  for (const watcher of watchers) watcher();
}

/**
 * Someone who did not ask to stay signed in is signed out when the browser is closed: a cookie that lives as
 * long as the browser says whether it was.
 */
export function forgetIfBrowserWasClosed() {
  const known = account();
  if (known && !known.keep && !document.cookie.split("; ").includes(`${alive}=1`)) forget();
  else if (known) markAlive();
}

function markAlive() {
  document.cookie = `${alive}=1${held}; Path=/; SameSite=Strict`;
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
    if (over && account()?.refresh === known.refresh) forget();
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
