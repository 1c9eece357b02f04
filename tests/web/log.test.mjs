// Whatever is cut, replayed or sent twice, the page ends up with the text of the log.
import assert from "node:assert/strict";
import { test } from "node:test";
import { applyFrame, emptySession, prependMessages } from "../../static/js/chat/log.js";
import { random } from "./random.mjs";

const rest = (id, author, content, more = {}) => ({
  id, role: author === "student" ? "user" : "assistant", author: { id: "x", name: "", kind: author }, content, status: "complete", files: [], ...more,
});
const ready = (head, resumed, state = {}) => ({ ctl: { type: "ready", epoch: "e1", head, resumed, you: { id: "me", role: "student" }, state: { control: "ai", tutor: null, hand_raised: false, run: null, watchers: [], ...state } } });
const snapshot = (head, messages, more = {}) => ({ ctl: { type: "snapshot", head, messages, ...more } });
const apply = (state, frames) => frames.reduce(applyFrame, state);
const numbered = (events, from = 1) => events.map((ev, index) => ({ seq: from + index, ev }));
const run = (id, events, end = { type: "RUN_FINISHED", runId: id, result: { finish_reason: "stop" } }) => [{ type: "RUN_STARTED", runId: id, ...(events.started ?? {}) }, ...events.list, end];
const said = (id, role, parts, more = {}) => [
  { type: "TEXT_MESSAGE_START", messageId: id, role, ...more },
  ...parts.map((delta) => ({ type: "TEXT_MESSAGE_CONTENT", messageId: id, delta })),
  { type: "TEXT_MESSAGE_END", messageId: id },
];
const texts = (state) => state.messages.map(({ id, author, text, status, reason }) => [id, author, text, status, reason]);

/** A log of several runs, with an edit, a stop, a failure, a tutor, and events of no known type. */
function aLog() {
  return numbered([
    ...run("r1", { list: [...said("q1", "user", ["What ", "is ½?"]), { type: "REASONING_START", messageId: "z" }, { type: "TOOL_CALL_START" }, ...said("a1", "assistant", ["Half ", "of ", "😀", " one."])] }),
    ...run("r2", { list: [...said("q2", "user", ["More"]), ...said("t1", "assistant", ["I am here."], { name: "Ms. Okafor", metadata: { fynq: { author: "tutor" } } }), ...said("a2", "assistant", ["Some", "thing"])] }, { type: "RUN_FINISHED", runId: "r2", result: { finish_reason: "stopped" } }),
    ...run("r3", { started: { metadata: { fynq: { supersedes: ["q2", "t1", "a2"] } } }, list: [...said("q3", "user", ["Other"]), { type: "SOMETHING_NEW" }] }, { type: "RUN_ERROR", runId: "r3", code: "model_timeout", message: "late" }),
    ...run("r4", { list: said("a4", "assistant", ["Again ", "then."]) }, { type: "RUN_ERROR", runId: "r4", code: "interrupted", message: "" }),
  ]);
}

const whole = [
  ["q1", "student", "What is ½?", "complete", ""],
  ["a1", "assistant", "Half of 😀 one.", "complete", "stop"],
  ["q3", "student", "Other", "complete", ""],
  ["run:r3", "assistant", "", "failed", "model_timeout"],
  ["a4", "assistant", "Again then.", "interrupted", "interrupted"],
];

test("the log read in one go", () => {
  const state = apply(emptySession, [ready(0, false), snapshot(0, []), ...aLog()]);
  assert.deepEqual(texts(state), whole);
  assert.equal(state.run, null);
});

test("a tutor speaks by name and keeps their words when the run is stopped", () => {
  const state = apply(emptySession, [ready(0, false), snapshot(0, []), ...aLog().slice(0, 22)]);
  const tutor = state.messages.find((message) => message.id === "t1");
  assert.deepEqual([tutor.author, tutor.name, tutor.status], ["tutor", "Ms. Okafor", "complete"]);
});

test("any interleaving of cuts, replays and live entries gives the same text", () => {
  const log = aLog();
  const next = random(3);
  for (let round = 0; round < 500; round += 1) {
    let state = apply(emptySession, [ready(0, false), snapshot(0, [])]);
    let sent = 0;
    while (state.seq < log.length) {
      // Come back: the server sends what follows the last seen entry, sometimes a few that were seen already.
      const from = Math.max(0, state.seq - (next() < 0.3 ? Math.floor(next() * 4) : 0));
      state = applyFrame(state, ready(log.length, true));
      const until = Math.min(log.length, from + 1 + Math.floor(next() * 12));
      for (const entry of log.slice(from, until)) {
        if (next() < 0.05) continue; // lost: what follows must not be taken
        state = applyFrame(state, entry);
        if (next() < 0.1) state = applyFrame(state, entry);
        sent += 1;
      }
      assert.ok(sent < 100_000);
    }
    assert.deepEqual(texts(state), whole);
  }
});

test("a missing entry is noticed and nothing after it is taken", () => {
  const log = aLog();
  const state = apply(emptySession, [ready(0, false), snapshot(0, []), log[0], log[1], log[3], log[4]]);
  assert.equal(state.gap, true);
  assert.equal(state.seq, 2);
  assert.equal(applyFrame(state, ready(9, true)).gap, false);
});

test("a snapshot in mid-answer goes on with the deltas that follow it", () => {
  const log = aLog();
  const state = apply(emptySession, [ready(9, false, { run: "r1" }), snapshot(9, [rest("q1", "student", "What is ½?"), rest("a1", "assistant", "Half ", { status: "streaming", run_id: "r1" })]), ...log.slice(9)]);
  assert.deepEqual(texts(state)[1], whole[1]);
});

test("a snapshot keeps earlier pages that join on to it", () => {
  let state = apply(emptySession, [ready(5, false), snapshot(5, [rest("m3", "student", "3"), rest("m4", "assistant", "4")], { has_more: true })]);
  state = prependMessages(state, [rest("m1", "student", "1"), rest("m2", "assistant", "2")], false);
  state = applyFrame(state, snapshot(9, [rest("m3", "student", "3"), rest("m4", "assistant", "4"), rest("m5", "student", "5")], { has_more: true }));
  assert.deepEqual(state.messages.map((message) => message.id), ["m1", "m2", "m3", "m4", "m5"]);
  assert.equal(state.hasMore, false);
  state = applyFrame(state, snapshot(12, [rest("n1", "student", "new")], { has_more: false }));
  assert.deepEqual(state.messages.map((message) => message.id), ["n1"]);
});

test("a question that waited moves to where its run begins", () => {
  const state = apply(emptySession, [
    ready(0, false),
    snapshot(0, [rest("q2", "student", "second", { status: "queued" }), rest("a1", "assistant", "one", { run_id: "r1" })]),
    ...numbered(run("r2", { list: said("q2", "user", ["second"]) })),
  ]);
  assert.deepEqual(state.messages.map(({ id, text, status }) => [id, text, status]), [["a1", "one", "complete"], ["q2", "second", "complete"]]);
});

test("what waits stays last, whatever is said before its run begins", () => {
  const waits = [rest("q2", "student", "second", { status: "queued" }), rest("q3", "student", "third", { status: "queued" })];
  const begin = [ready(0, false), snapshot(0, [rest("a1", "assistant", "one", { run_id: "r1" }), ...waits])];
  const second = run("r2", { list: [...said("q2", "user", ["second"]), ...said("a2", "assistant", ["two"])] });
  const order = (/** @type {any} */ state) => state.messages.map((/** @type {any} */ { id, status }) => `${id} ${status}`);
  assert.deepEqual(order(apply(emptySession, [...begin, ...numbered(second)])), ["a1 complete", "q2 complete", "a2 complete", "q3 queued"]);
  const silent = [...run("r2", { list: said("q2", "user", ["second"]) }).slice(0, -1), { type: "RUN_ERROR", message: "no", code: "model_timeout" }];
  assert.deepEqual(order(apply(emptySession, [...begin, ...numbered(silent)])), ["a1 complete", "q2 complete", "run:r2 failed", "q3 queued"]);
});

test("state is taken whole, and what is not known is ignored", () => {
  let state = apply(emptySession, [ready(0, false), { ctl: { type: "state", control: "tutor", tutor: { id: "t", name: "T" }, hand_raised: true, run: null, watchers: [{ id: "t", name: "T" }] } }]);
  assert.deepEqual([state.control, state.tutor.name, state.handRaised, state.watchers.length], ["tutor", "T", true, 1]);
  for (const frame of [{ ctl: { type: "from_the_future" } }, {}, null, { seq: "1" }, 7]) assert.equal(applyFrame(state, frame), state);
});

test("files stay with their message, from the log and from a snapshot", () => {
  const files = ["f1", "f2"];
  const start = { seq: 1, ev: { type: "RUN_STARTED", threadId: "s", runId: "r" } };
  const said = { seq: 2, ev: { type: "TEXT_MESSAGE_START", messageId: "m", role: "user", metadata: { fynq: { files } } } };
  const end = { seq: 3, ev: { type: "TEXT_MESSAGE_END", messageId: "m" } };
  const state = [start, said, end].reduce(applyFrame, emptySession);
  assert.deepEqual(state.messages.map(({ files, text, status }) => [files, text, status]), [[files, "", "complete"]]);
  const item = { id: "m", role: "user", author: { kind: "student" }, content: "", status: "complete", files };
  assert.deepEqual(applyFrame(emptySession, { ctl: { type: "snapshot", head: 3, messages: [item] } }).messages[0].files, files);
});
