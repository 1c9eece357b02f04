// What the page says when a human comes and goes, whatever frames were lost on the way.
import assert from "node:assert/strict";
import { test } from "node:test";
import { applyFrame, emptySession, prependMessages } from "../../static/js/chat/log.js";

const kay = { id: "k", name: "Ms Kay" };
const lee = { id: "l", name: "Mr Lee" };
const state = (more = {}) => ({ control: "ai", tutor: null, hand_raised: false, run: null, watchers: [], ...more });
const tell = (more) => ({ ctl: { type: "state", ...state(more) } });
const held = (tutor, more = {}) => tell({ control: "tutor", tutor, watchers: [tutor], ...more });
const hand = (claimed_by = null) => tell({ hand_raised: true, hand: { since: "2026-01-01T00:00:00Z", claimed_by } });
const ready = (more = {}, resumed = true) => ({ ctl: { type: "ready", epoch: "e", head: 0, resumed, you: { id: "me", role: "student" }, state: state(more) } });
const rest = (id, author, more = {}) => ({ id, author: { id: "x", name: "", kind: author }, content: id, status: "complete", ...more });
const snapshot = (head, ...messages) => ({ ctl: { type: "snapshot", head, messages } });
const after = (frames, start = [ready({}, false), snapshot(0, rest("q1", "student"), rest("a1", "assistant"))]) => [...start, ...frames].reduce(applyFrame, emptySession);
const lines = (seen) => seen.lines.map(({ kind, who, after: place }) => `${kind} ${who.name} @${place}`);

test("taking over and handing back are said where they happened", () => {
  const seen = after([tell({ watchers: [kay] }), held(kay), held(kay), tell({ watchers: [kay] })]);
  assert.deepEqual(lines(seen), ["took_over Ms Kay @a1", "handed_back Ms Kay @a1"]);
  assert.equal(new Set(seen.lines.map((line) => line.id)).size, 2);
});

test("whoever is gone when control ends has left; if nobody is ever shown, that is not guessed", () => {
  assert.deepEqual(lines(after([held(kay), held(kay, { watchers: [] }), tell()])), ["took_over Ms Kay @a1", "left Ms Kay @a1"]);
  assert.deepEqual(lines(after([held(kay, { watchers: [] }), tell()])), ["took_over Ms Kay @a1", "ended Ms Kay @a1"]);
  // The next tutor was never seen, though the one before was.
  assert.deepEqual(lines(after([held(kay), held(lee, { watchers: [] }), tell()])), ["took_over Ms Kay @a1", "took_over Mr Lee @a1", "ended Mr Lee @a1"]);
});

test("a hand that is claimed is answered, once, and taking over needs no second word", () => {
  assert.deepEqual(lines(after([hand(), hand(kay), hand(kay), held(kay)])), ["coming Ms Kay @a1", "took_over Ms Kay @a1"]);
  assert.deepEqual(lines(after([held(kay, { hand_raised: true, hand: { since: "", claimed_by: kay } })])), ["took_over Ms Kay @a1"]);
  assert.deepEqual(lines(after([hand(kay), hand(), hand(lee)])), ["coming Ms Kay @a1", "not_coming Ms Kay @a1", "coming Mr Lee @a1"]);
  assert.deepEqual(lines(after([hand(kay), tell()])), ["coming Ms Kay @a1"], "a hand taken down is no news of the tutor's");
});

test("what happened while the line was cut is said on the return, and nothing on the first look", () => {
  assert.deepEqual(lines(after([held(kay), ready({ watchers: [kay] })])), ["took_over Ms Kay @a1", "handed_back Ms Kay @a1"]);
  assert.deepEqual(lines(after([], [ready({ control: "tutor", tutor: kay }, false), snapshot(0, rest("q1", "student"))])), []);
});

test("a line keeps its place when pages come before it, and moves up when its message is gone", () => {
  let seen = prependMessages(after([held(kay)]), [rest("a0", "assistant")], false);
  assert.deepEqual(lines(seen), ["took_over Ms Kay @a1"]);
  seen = applyFrame(seen, { seq: 1, ev: { type: "TEXT_MESSAGE_START", messageId: "a2", role: "assistant" } });
  seen = applyFrame(seen, { seq: 2, ev: { type: "RUN_STARTED", runId: "r", metadata: { fynq: { supersedes: ["a1"] } } } });
  assert.deepEqual(seen.messages.map((message) => message.id), ["a0", "q1", "a2"]);
  assert.deepEqual(lines(seen), ["took_over Ms Kay @q1"]);
  seen = applyFrame(seen, snapshot(9, rest("q9", "student")));
  assert.deepEqual(lines(seen), ["took_over Ms Kay @"]);
});

test("lines do not collect without end", () => {
  const seen = after(Array.from({ length: 300 }, (_, index) => (index % 2 ? tell({ watchers: [kay] }) : held(kay))));
  assert.equal(seen.lines.length, 200);
  assert.equal(new Set(seen.lines.map((line) => line.id)).size, 200);
});

test("a correction strikes the answer, the latest one counts, and its end gives the answer back", () => {
  const correct = (seq, id, target) => [
    { seq, ev: { type: "TEXT_MESSAGE_START", messageId: id, role: "assistant", name: "Ms Kay", metadata: { fynq: { author: "tutor", corrects: target } } } },
    { seq: seq + 1, ev: { type: "TEXT_MESSAGE_CONTENT", messageId: id, delta: "Right." } },
    { seq: seq + 2, ev: { type: "TEXT_MESSAGE_END", messageId: id } },
  ];
  const struck = (seen) => Object.fromEntries(seen.messages.map(({ id, corrects, correctedBy }) => [id, [corrects, correctedBy]]));
  let seen = after([...correct(1, "c1", "a1"), ...correct(4, "c2", "a1")]);
  assert.deepEqual(struck(seen), { q1: ["", ""], a1: ["", "c2"], c1: ["a1", ""], c2: ["a1", ""] });
  const supersede = (seq, ...gone) => ({ seq, ev: { type: "RUN_STARTED", runId: `r${seq}`, metadata: { fynq: { supersedes: gone } } } });
  seen = applyFrame(seen, supersede(7, "c2"));
  assert.equal(struck(seen).a1[1], "c1");
  assert.equal(struck(applyFrame(seen, supersede(8, "c1"))).a1[1], "");
  const listed = after([], [ready({}, false), snapshot(0, rest("a1", "assistant", { corrected_by: "c1" }), rest("c1", "tutor", { corrects: "a1" }))]);
  assert.deepEqual(struck(listed), { a1: ["", "c1"], c1: ["a1", ""] });
});
