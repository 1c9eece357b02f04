// Conversations move while the list is paged: each is shown once, the last active first.
import assert from "node:assert/strict";
import { test } from "node:test";
import { addPage } from "../../static/js/chat/sessions.js";

const at = (/** @type {number} */ second) => new Date(Date.UTC(2026, 0, 1) + second * 1000).toISOString();
const session = (/** @type {string} */ id, /** @type {number} */ second, title = id) => ({ id, title, updated_at: at(second) });
const shown = (/** @type {any[]} */ list) => list.map(({ id, title }) => [id, title]);

test("a conversation that moved while the list was paged is there once, in its new place", () => {
  const first = addPage([], [session("e", 50), session("d", 40)]);
  // `b` was spoken in after the first page, and `d` again and renamed.
  const last = addPage(first, [session("c", 30), session("a", 10), session("b", 60), session("d", 70, "renamed")]);
  assert.deepEqual(shown(last), [["d", "renamed"], ["b", "b"], ["e", "e"], ["c", "c"], ["a", "a"]]);
});

test("what this page knows to be newer keeps its place", () => {
  const list = addPage([session("a", 90), session("b", 20)], [session("a", 30, "given by the server")]);
  assert.deepEqual(shown(list), [["a", "given by the server"], ["b", "b"]]);
  assert.equal(list[0].updated_at, at(90));
});
