// What a tutor sees and does in one watched session, whatever order the frames come in.
import assert from "node:assert/strict";
import { test } from "node:test";
import { applyFrame, emptySession } from "../../static/js/chat/log.js";
import { addHistory, applyGuidance, waitingOf } from "../../static/js/observe/guidance.js";
import { commandOf, draftOf, holder, lookOf, modeOfKey, modes, tellsTyping } from "../../static/js/observe/modes.js";
import { refusalWords } from "../../static/js/observe/refusals.js";
import { outlived, remember, settle, toFrame, toSayAgain } from "../../static/js/observe/sent.js";
import { random } from "./random.mjs";

const kay = { id: "k", name: "Ms Kay" };
const lee = { id: "l", name: "Mr Lee" };
const ctl = (type, more = {}) => ({ ctl: { type, ...more } });
const wire = (more = {}) => ({ control: "ai", tutor: null, hand_raised: false, run: null, watchers: [], ...more });
const stateOf = (more = {}) => applyFrame(emptySession, ctl("ready", { epoch: "e", head: 0, resumed: false, you: { id: "k", role: "tutor" }, state: wire(more) }));
const free = stateOf();
const mine = stateOf({ control: "tutor", tutor: kay });
const theirs = stateOf({ control: "tutor", tutor: lee });

// ── What was sent ───────────────────────────────────────────────────────────────────────────────

const types = ["whisper", "withdraw", "say", "correct", "take_over", "hand_back", "claim", "stop", "lower_hand"];
const all = types.map((type) => ({ type, id: `id-${type}`, ...(type === "withdraw" ? { whisper: "w0" } : {}) }));
const answers = {
  whisper: ctl("whispered", { id: "id-whisper", state: "waiting" }),
  withdraw: ctl("whispered", { id: "w0", state: "withdrawn" }),
  say: ctl("accepted", { id: "id-say" }),
  correct: ctl("accepted", { id: "id-correct" }),
  take_over: ctl("state", wire({ control: "tutor", tutor: kay, hand_raised: true, run: "r" })),
  hand_back: ctl("state", wire({ hand_raised: true, run: "r" })),
  claim: ctl("state", wire({ control: "tutor", tutor: lee, hand_raised: true, run: "r", hand: { since: "", claimed_by: kay } })),
  stop: ctl("state", wire({ control: "tutor", tutor: lee, hand_raised: true })),
  lower_hand: ctl("state", wire({ control: "tutor", tutor: lee, run: "r" })),
};

test("each command is answered by its own frame, and by no other's", () => {
  for (const [type, frame] of Object.entries(answers)) {
    const { left, done, refused } = settle(all, frame, "k");
    assert.deepEqual(done.map((entry) => entry.type), [type]);
    assert.equal(left.length, all.length - 1);
    assert.equal(refused, null);
  }
});

test("a state that shows somebody else's success is no answer to one's own command", () => {
  const waits = (type, frame) => assert.deepEqual(settle([{ type, id: "x" }], frame, "k").done, [], type);
  waits("take_over", ctl("state", wire({ control: "tutor", tutor: lee })));
  waits("claim", ctl("state", wire({ hand_raised: true, hand: { since: "", claimed_by: lee } })));
  waits("stop", ctl("state", wire({ run: "r" })));
  assert.equal(settle([{ type: "withdraw", id: "x", whisper: "w" }], ctl("whispered", { id: "w", state: "waiting" }), "k").done.length, 0);
});

test("a refusal names its command, and leaves the others waiting", () => {
  const { left, refused } = settle(all, ctl("error", { code: "control_held", message: "Mr Lee", command_id: "id-take_over" }), "k");
  assert.deepEqual([refused.entry.type, refused.code, refused.message, left.length], ["take_over", "control_held", "Mr Lee", all.length - 1]);
  const unknown = settle(all, ctl("error", { code: "internal" }), "k");
  assert.deepEqual([unknown.refused.entry, unknown.left.length], [null, all.length]);
});

test("after a cut a command is answered by the state one comes back to, or said again by the same id", () => {
  assert.deepEqual(settle([{ type: "take_over", id: "x" }], ctl("ready", { state: wire({ control: "tutor", tutor: kay }) }), "k").done.length, 1);
  const again = toSayAgain(all).map((entry) => entry.type);
  assert.deepEqual(again, types.filter((type) => type !== "stop" && type !== "lower_hand"), "what was meant for one moment is not said in another");
  assert.deepEqual(toFrame({ type: "take_over", id: "x", then: "Hello" }), { type: "take_over", id: "x" }, "the words wait for the take-over");
});

test("nobody takes over or comes long after they meant to", () => {
  const sent = types.map((type) => ({ type, id: type, at: 1000 }));
  const names = (list) => list.map(({ type }) => type);
  assert.deepEqual(outlived(sent, 11_000).late, []);
  const { late, left } = outlived(sent, 11_001);
  assert.deepEqual(names(late).sort(), ["claim", "take_over"]);
  assert.deepEqual(names(left), types.filter((type) => type !== "claim" && type !== "take_over"));
  assert.deepEqual(toFrame(sent[0]), { type: types[0], id: types[0] });
});

test("a summary is not taken for told because the AI speaks again", () => {
  const ready = ctl("ready", { state: wire({ control: "ai" }) });
  assert.equal(settle([{ type: "hand_back", id: "x" }], ready, "k").done.length, 1);
  assert.equal(settle([{ type: "hand_back", id: "x", summary: "Fractions" }], ready, "k").done.length, 0);
});

test("what was sent does not collect without end", () => {
  let sent = [];
  for (let index = 0; index < 100; index += 1) sent = remember(sent, { type: "stop", id: String(index) });
  assert.deepEqual([sent.length, sent.at(-1).id], [32, "99"]);
});

// ── Guidance ────────────────────────────────────────────────────────────────────────────────────

const whisper = (id, state = "waiting", more = {}) => ({ id, by: kay, text: `text ${id}`, until: "next", kind: "whisper", state, at: `2026-01-01T00:00:0${id}Z`, ...more });
const told = (list) => list.map(({ id, state }) => `${id} ${state}`);

test("whispers come, are used and withdrawn; a list after a cut says which still wait", () => {
  let list = [whisper(1), whisper(2), whisper(3)].reduce((known, each) => applyGuidance(known, { type: "whispered", ...each }), []);
  assert.deepEqual(told(list), ["3 waiting", "2 waiting", "1 waiting"]);
  list = applyGuidance(list, { type: "whispered", ...whisper(2, "used") });
  list = applyGuidance(list, { type: "guidance", items: [whisper(3), whisper(4)] });
  assert.deepEqual(told(list), ["4 waiting", "3 waiting", "2 used", "1 over"]);
  list = addHistory(list, [whisper(1, "withdrawn"), whisper(0, "used")]);
  assert.deepEqual(told(list), ["4 waiting", "3 waiting", "2 used", "1 withdrawn", "0 used"]);
  assert.deepEqual(waitingOf(list).map((each) => each.id), [4, 3]);
});

test("a page of the history that is older than the socket's word changes nothing", () => {
  const list = applyGuidance([], { type: "whispered", ...whisper(1, "used") });
  assert.deepEqual(told(addHistory(list, [whisper(1, "waiting")])), ["1 used"]);
  assert.deepEqual(told(addHistory([], [whisper(1, "waiting")])), ["1 waiting"]);
});

test("other frames leave the guidance alone, and what is over is bounded while what waits never goes", () => {
  const list = applyGuidance([], { type: "whispered", ...whisper(1) });
  for (const frame of [{ type: "state" }, { type: "from_the_future" }, undefined]) assert.equal(applyGuidance(list, frame), list);
  const many = Array.from({ length: 200 }, (_, index) => whisper(`x${index}`, "used", { at: "2027" }));
  const bounded = addHistory(list, many);
  assert.equal(bounded.length, 61);
  assert.equal(bounded.at(-1).id, 1);
});

test("in any order of whispers, uses and lists, what the last list held waits and nothing is there twice", () => {
  const next = random(11);
  for (let round = 0; round < 300; round += 1) {
    const server = new Map();
    let list = [];
    for (let step = 0; step < 40; step += 1) {
      const kind = next();
      if (kind < 0.4) server.set(String(server.size), "waiting");
      else if (kind < 0.8 && server.size) server.set(String(Math.floor(next() * server.size)), next() < 0.5 ? "used" : "withdrawn");
      const items = [...server].map(([id, state]) => whisper(id, state, { at: id.padStart(3, "0") }));
      if (next() < 0.7) list = items.slice(-2).reduce((known, each) => applyGuidance(known, { type: "whispered", ...each }), list);
      list = applyGuidance(list, { type: "guidance", items: items.filter((each) => each.state === "waiting") });
      assert.deepEqual(new Set(waitingOf(list).map((each) => each.id)), new Set([...server].filter(([, state]) => state === "waiting").map(([id]) => id)));
      assert.equal(new Set(list.map((each) => each.id)).size, list.length);
    }
  }
});

// ── Modes ───────────────────────────────────────────────────────────────────────────────────────

const more = { id: "x", until: "withdrawn" };

test("what each mode sends, as things stand", () => {
  assert.deepEqual(commandOf("whisper", " Slower. ", free, more), { type: "whisper", id: "x", text: "Slower.", until: "withdrawn" });
  assert.deepEqual(commandOf("say", "Hello", theirs, more), { type: "say", id: "x", text: "Hello" });
  assert.deepEqual(commandOf("take_over", "", free, more), { type: "take_over", id: "x" });
  assert.deepEqual(commandOf("take_over", "Hello", free, more), { type: "take_over", id: "x", then: "Hello" });
  assert.deepEqual(commandOf("take_over", "Hello", mine, more), { type: "say", id: "x", text: "Hello" });
  assert.equal(commandOf("take_over", "Hello", theirs, more), null, "nothing is said under another's take-over by mistake");
  for (const [mode, state] of [["whisper", free], ["say", free], ["take_over", mine]]) assert.equal(commandOf(mode, " \n", state, more), null);
});

test("a whisper is never told as typing, whoever is in charge", () => {
  for (const state of [free, mine, theirs]) assert.equal(tellsTyping("whisper", state), false);
  assert.deepEqual([free, mine, theirs].map((state) => tellsTyping("say", state)), [true, true, true]);
  assert.deepEqual([free, mine, theirs].map((state) => tellsTyping("take_over", state)), [false, true, false]);
});

test("the three modes cannot be taken for each other", () => {
  for (const state of [free, mine, theirs]) {
    const seen = modes.map((mode) => lookOf(mode, state, "Ada"));
    for (const key of ["label", "hint"]) assert.equal(new Set(seen.map((look) => look[key])).size, 3, key);
    assert.match(seen[0].hint, /Only the AI reads this.*Ada never sees it/);
    assert.match(seen[1].hint, /Ada reads this/);
  }
  assert.match(lookOf("take_over", theirs, "Ada").hint, /Mr Lee is in charge/);
  assert.equal(lookOf("take_over", theirs, "Ada").able, false);
  assert.deepEqual([free, mine, theirs].map(holder), ["nobody", "me", "other"]);
});

test("letters choose a mode only by themselves", () => {
  assert.deepEqual(["w", "S", "t", "x", "Enter"].map((key) => modeOfKey({ key })), ["whisper", "say", "take_over", null, null]);
  for (const held of ["ctrlKey", "metaKey", "altKey", "isComposing"]) assert.equal(modeOfKey({ key: "w", [held]: true }), null, held);
});

test("what was refused goes back to the draft of its mode", () => {
  assert.deepEqual(draftOf({ type: "whisper", id: "x", text: "a" }), { mode: "whisper", text: "a" });
  assert.deepEqual(draftOf({ type: "say", id: "x", text: "a" }), { mode: "say", text: "a" });
  assert.deepEqual(draftOf({ type: "take_over", id: "x", then: "a" }), { mode: "take_over", text: "a" });
  for (const type of ["take_over", "correct", "claim"]) assert.equal(draftOf({ type, id: "x" }), null);
});

// ── Refusals ────────────────────────────────────────────────────────────────────────────────────

test("who holds it, and who comes, is said by name", () => {
  const words = (type, code, state = free, message = "") => refusalWords({ entry: { type, id: "x" }, code, message }, state);
  const claimed = stateOf({ hand_raised: true, hand: { since: "", claimed_by: lee } });
  assert.equal(words("take_over", "control_held", theirs), "Mr Lee is in charge here already.");
  assert.equal(words("hand_back", "control_held", theirs), "Only Mr Lee or an admin can hand back.");
  assert.equal(words("claim", "control_held", claimed), "Mr Lee is coming already.");
  assert.equal(words("take_over", "control_held", free, "Mr Lee holds it."), "Mr Lee holds it.", "the server's word where the state does not say");
  assert.equal(words("take_over", "control_held"), "Another tutor is helping here already.");
});

test("every refusal has words of its own that fit a tutor", () => {
  const codes = ["invalid_command", "text_too_long", "queue_full", "not_allowed", "control_held", "rate_limited", "storage_unavailable", "draining", "offline"];
  for (const type of types) {
    for (const code of codes) {
      const text = refusalWords({ entry: { type, id: "x" }, code }, theirs);
      assert.ok(text && !text.includes("undefined"), `${type} ${code}`);
    }
  }
  assert.match(refusalWords({ entry: null, code: "from_the_future" }, free), /broke on our side/);
  assert.notEqual(refusalWords({ entry: { type: "correct", id: "x" }, code: "invalid_command" }, free), refusalWords({ entry: { type: "withdraw", id: "x" }, code: "invalid_command" }, free));
});
