// A tile stays where the eye has found it, until somebody asks or nobody is there.
import assert from "node:assert/strict";
import { test } from "node:test";
import { applyFrames, emptyBoard } from "../../static/js/observe/board.js";
import { checkKept, readKept, writeKept } from "../../static/js/observe/kept.js";
import { isMuted, muteChoices, noMarks, readMarks, withMark } from "../../static/js/observe/marks.js";
import { hold, matches, maySettle, sameOrder, settle, wholeView } from "../../static/js/observe/order.js";
import { span } from "../../static/js/observe/span.js";
import { at, changed, roster, session } from "./roster-frames.mjs";

const now = Date.parse(at(600));
const wish = (more = {}) => ({ view: wholeView, pins: new Set(), marks: noMarks, me: "t", now, ...more });
const view = (more) => wish({ view: { ...wholeView, ...more } });
const signal = (kind, level = 1) => ({ signals: { items: [{ kind, level, since: at(1), why: "" }] } });
const named = (id, name, more = {}) => session(id, { student: { id: `u-${id}`, name }, ...more });
const boardOf = (...sessions) => applyFrames(emptyBoard, [roster(...sessions)]);

test("pins first, then safety, then the other signals, then by name", () => {
  const hand = { hand: { since: at(1), claimed_by: null } };
  const board = boardOf(named("a", "Zoë"), named("b", "Ada"), named("c", "Ben", signal("idle", 3)), named("d", "Cem", signal("struggling")), named("e", "Dan", signal("struggling", 3)),
    named("f", "Eva", hand), named("g", "Fay", signal("safety", 3)), named("h", "Øyvind"));
  assert.deepEqual(settle(board, wish({ pins: new Set(["h"]) })), ["h", "g", "f", "e", "d", "c", "b", "a"]);
  const marks = readMarks([{ session_id: "g", kind: "safety", useful: null, muted_until: at(900) }]);
  assert.deepEqual(settle(board, wish({ marks })).slice(0, 2), ["f", "e"], "what is muted does not push forward");
  assert.deepEqual(settle(board, wish({ marks, now: Date.parse(at(901)) }))[0], "g", "until it is heard again");
});

test("while it is held nothing moves: what went stays, what no longer matches stays, what is new comes last", () => {
  let board = boardOf(named("b", "Ben"), named("c", "Cem"));
  const order = settle(board, wish());
  board = applyFrames(board, [changed(named("c", "Cem", signal("safety", 3))), { ctl: { type: "roster_changed", gone: "b" } }]);
  assert.equal(hold(order, board, wish()), order, "the very same order");
  board = applyFrames(board, [changed(named("a", "Ada", signal("safety", 3))), changed(named("x", "Xi", { state: "idle" }))]);
  assert.deepEqual(hold(order, board, view({ state: "waiting" })), ["b", "c", "a"], "and only if it matches");
  assert.deepEqual(settle(board, wish()), ["a", "c", "x"]);
  assert.ok(!sameOrder(order, settle(board, wish())) && sameOrder(order, [...order]));
});

test("the order is made anew by asking, or after ten seconds with nobody over the grid", () => {
  const at10 = { settledAt: now, now: now + 10_000 };
  assert.ok(maySettle({ asked: false, busy: false, ...at10 }));
  assert.ok(!maySettle({ asked: false, busy: false, settledAt: now, now: now + 9_999 }));
  assert.ok(!maySettle({ asked: false, busy: true, settledAt: now, now: now + 3_600_000 }), "never under the pointer or the focus");
  assert.ok(maySettle({ asked: true, busy: true, settledAt: now, now }));
});

test("filters: class, state, signal, mine, and words in any order without accents", () => {
  const me = { id: "t", name: "Ms Kay" };
  const other = { id: "o", name: "Mr Ito" };
  let board = boardOf(named("a", "Aïda Łuk", { title: "Fractions", subject: "maths" }), named("b", "Ben", { state: "tutor", tutor: me, ...signal("off_task") }),
    named("c", "Cem", { hand: { since: at(1), claimed_by: me } }), named("d", "Dan", { state: "tutor", tutor: other }));
  board = applyFrames(board, [{ ctl: { type: "roster_classes", classes: [{ id: "k", name: "7b", students: ["u-a", "u-d"] }] } }]);
  const found = (more) => [...board.tiles.values()].filter((tile) => matches(board, tile, view(more))).map(({ id }) => id).join("");
  assert.equal(found({ group: "k" }), "ad");
  assert.equal(found({ group: "no such class" }), "");
  assert.equal(found({ state: "tutor" }), "bd");
  assert.equal(found({ signal: "off_task" }), "b");
  assert.equal(found({ signal: "any" }), "bc");
  assert.equal(found({ mine: true }), "bc");
  assert.equal(found({ search: "MATHS  aida" }), "a");
  assert.equal(found({ search: "maths ben" }), "");
  assert.equal(found({ group: "k", state: "tutor" }), "d");
});

test("marks are kept by session and kind, and safety is never muted for long", () => {
  const marks = withMark(readMarks([{ session_id: "a", kind: "idle", useful: false, muted_until: null }]), "a", "safety", { useful: null, muted_until: at(60) }, 30_000);
  assert.ok(!isMuted(marks, "a", "idle", now));
  assert.ok(isMuted(marks, "a", "safety", Date.parse(at(89))) && !isMuted(marks, "a", "safety", Date.parse(at(91))), "by this machine's clock");
  assert.ok(!isMuted(marks, "b", "safety", 0));
  assert.ok(Math.max(...muteChoices("safety")) <= 60 && Math.max(...muteChoices("idle")) <= 1440);
});

test("what is kept on the device holds no words that were searched for, and survives anything", () => {
  const drawer = new Map();
  const storage = { getItem: (key) => drawer.get(key) ?? null, setItem: (key, text) => drawer.set(key, text) };
  const saved = { ...wholeView, group: "k", search: "Mia Berg" };
  writeKept("t", { pins: ["a"], views: [{ name: "7b", view: saved }], view: saved, dense: true, sound: true, notify: false }, storage);
  assert.ok(![...drawer.values()].join().includes("Mia"));
  assert.deepEqual(readKept("t", storage).views, [{ name: "7b", view: { ...saved, search: "" } }]);
  assert.deepEqual(readKept("u", storage).pins, [], "of somebody else");
  for (const odd of [null, 7, "x", [], { pins: [1, null], views: [{}, 3], view: 9, sound: "yes" }]) {
    assert.deepEqual(checkKept(odd), { pins: [], views: [], view: wholeView, dense: false, sound: false, notify: false }, JSON.stringify(odd));
  }
  drawer.set("fynq.observe.t", "{");
  assert.deepEqual(readKept("t", storage).pins, []);
});

test("spans are coarse", () => {
  const told = [-5000, 9_999, 10_000, 59_999, 60_000, 3_599_999, 3_600_000, 7_500_000].map(span);
  assert.deepEqual(told, ["now", "now", "10 s", "50 s", "1 min", "59 min", "1 h", "2 h 5 min"]);
});
