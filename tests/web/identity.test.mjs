// Who is signed in, as a browser keeps it: two tokens, an id and a role; and the page's only cookie, which says that
// this browser is still open.
import assert from "node:assert/strict";
import { test } from "node:test";

/** A browser that came by this scheme. @param {string} protocol */
async function arrive(protocol) {
  const stored = new Map();
  const cookies = [];
  const localStorage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value), removeItem: (key) => stored.delete(key) };
  const document = { get cookie() { return cookies.map((cookie) => cookie.split(";")[0]).join("; "); }, set cookie(cookie) { cookies.push(cookie); } };
  Object.assign(globalThis, { localStorage, document, location: { protocol } });
  return { cookies, stored, again: load, identity: await load() };
}

let loads = 0;
/** A tab that is opened, or loaded anew. */
const load = () => import(`../../static/js/net/identity.js?${loads++}`);

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

test("a name and an address are known to this tab alone, and kept nowhere", async () => {
  const { stored, identity, again } = await arrive("https:");
  const kept = () => [...stored.values()].join();
  identity.remember(reply, true);
  assert.equal(identity.account().user.email, "a@b.example");
  identity.rememberProfile({ id: "1", email: "a@b.example", display_name: "Ada", role: "tutor", locale: "en" });
  assert.deepEqual(identity.account().user, { id: "1", email: "a@b.example", display_name: "Ada", role: "tutor" });
  assert.doesNotMatch(kept(), /example|Ada/);
  assert.deepEqual((await again()).account().user, { id: "1", role: "tutor" });
  // Somebody else, by another tab: nothing of the one before is theirs.
  const other = await again();
  other.remember({ ...reply, user: { id: "2", email: "c@d.example", role: "student" } }, true);
  assert.deepEqual(identity.account().user, { id: "2", role: "student" });
  identity.rememberProfile({ id: "1", email: "a@b.example", display_name: "Ada", role: "tutor" });
  assert.deepEqual(identity.account().user, { id: "2", role: "student" });
  // What an earlier version kept goes with the first load.
  stored.set("fynq.account", JSON.stringify({ access: "a", expires: 1, refresh: "r", user: { ...reply.user, display_name: "Ada" }, keep: true }));
  const later = await again();
  later.forgetIfBrowserWasClosed();
  assert.doesNotMatch(kept(), /example|Ada/);
  assert.equal(later.account().refresh, "r");
});

test("the next sign-in is told what this browser still held", async () => {
  const { cookies, identity, again } = await arrive("https:");
  assert.equal(identity.held(), "");
  identity.remember(reply, false);
  assert.equal(identity.held(), "r");
  cookies.length = 0;
  const reopened = await again();
  reopened.forgetIfBrowserWasClosed();
  assert.deepEqual([reopened.account(), reopened.held()], [null, "r"]);
  reopened.remember({ ...reply, refresh_token: "next" }, true);
  assert.equal(reopened.held(), "next");
});

test("while a sign-in is taken over nobody asks for a token by the one before", async () => {
  const { identity } = await arrive("https:");
  // A browser without locks: what is waited for is in this tab.
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  identity.remember({ ...reply, expires_in: 3600 }, true);
  globalThis.fetch = () => assert.fail("a token was asked for by a sign-in that is over");
  let answer;
  const taken = identity.anew(() => new Promise((resolve) => (answer = resolve)));
  // A socket that has just been closed for it.
  const waiting = identity.accessToken({ not: "a" });
  await new Promise((resolve) => setImmediate(resolve));
  answer({ ...reply, access_token: "b", refresh_token: "s", expires_in: 3600 });
  await taken;
  assert.equal(await waiting, "b");
  assert.deepEqual([identity.account().refresh, identity.account().keep], ["s", true]);
  await assert.rejects(identity.anew(() => Promise.reject(new Error("not right"))));
  assert.equal(await identity.accessToken(), "b");
});

test("what a sign-in that was taken over answers is kept, unless somebody else is here", async () => {
  const { identity, again } = await arrive("https:");
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  const next = { ...reply, access_token: "b", refresh_token: "s" };
  const meanwhile = async (act) => {
    identity.remember({ ...reply, expires_in: 3600 }, true);
    await identity.anew(async (token) => {
      assert.equal(token, "a");
      await act();
      return next;
    });
    return identity.account().refresh;
  };
  assert.equal(await meanwhile(() => identity.forget()), "s");
  assert.equal(identity.account().keep, true);
  const other = await again();
  assert.equal(await meanwhile(() => other.remember({ ...reply, refresh_token: "theirs", user: { id: "2", role: "student" } }, true)), "theirs");
});

test("a refresh that is refused because the same person is signed in anew gives the new token", async () => {
  const { identity, again } = await arrive("https:");
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  const other = await again();
  const refusedAfter = (user) => {
    identity.remember({ ...reply, expires_in: 3600 }, true);
    globalThis.fetch = async () => {
      other.remember({ ...reply, access_token: "b", refresh_token: "s", expires_in: 3600, user }, true);
      return { ok: false, status: 401, headers: new Headers(), json: async () => ({ code: "unauthorized" }) };
    };
    return identity.accessToken({ not: "a" });
  };
  assert.equal(await refusedAfter(reply.user), "b");
  await assert.rejects(refusedAfter({ id: "2", role: "student" }));
  assert.equal(identity.account().user.id, "2");
});
