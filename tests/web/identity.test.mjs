// The page's only cookie: it says that this browser is still open.
import assert from "node:assert/strict";
import { test } from "node:test";

/** A browser that came by this scheme. @param {string} protocol */
async function arrive(protocol) {
  const stored = new Map();
  const cookies = [];
  const localStorage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value), removeItem: (key) => stored.delete(key) };
  const document = { get cookie() { return cookies.map((cookie) => cookie.split(";")[0]).join("; "); }, set cookie(cookie) { cookies.push(cookie); } };
  Object.assign(globalThis, { localStorage, document, location: { protocol } });
  return { cookies, identity: await import(`../../static/js/net/identity.js?${encodeURIComponent(protocol)}`) };
}

const reply = { access_token: "a", refresh_token: "r", expires_in: 60, user: { id: "1", email: "a@b.example", role: "student" } };

/** @param {string} protocol @param {string} cookie */
async function cookieAndForgetting(protocol, cookie) {
  const { cookies, identity } = await arrive(protocol);
  identity.remember(reply, false);
  assert.deepEqual(cookies, [cookie]);
  identity.forgetIfBrowserWasClosed();
  assert.equal(identity.account().user.id, "1");
  cookies.length = 0;
  cookies.push("other=1", `not-${cookie}`);
  identity.forgetIfBrowserWasClosed();
  assert.equal(identity.account(), null);
}

test("by https the cookie is this host's alone, and without it one is forgotten", () => cookieAndForgetting("https:", "__Host-fynq_alive=1; Secure; Path=/; SameSite=Strict"));

test("by http it has neither, and without it one is forgotten", () => cookieAndForgetting("http:", "fynq_alive=1; Path=/; SameSite=Strict"));
