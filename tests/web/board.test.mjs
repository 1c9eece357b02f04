// The board is what the roster's frames say, and its waiting times are the server's.
import assert from "node:assert/strict";
import { test } from "node:test";
import { applyFrames, emptyBoard, raisedHands } from "../../static/js/observe/board.js";
import { canBeDealtWith, dealtWords, readDealt } from "../../static/js/observe/dealt.js";
import { random } from "./random.mjs";
import { at, changed, roster, session } from "./roster-frames.mjs";

const gone = (id) => ({ ctl: { type: "roster_changed", gone: id } });
const ids = (board) => [...board.tiles.keys()].sort();

test("a whole roster, changes, and what has gone; a batch knows what it touched", () => {
  let board = applyFrames(emptyBoard, [roster(session("a"), session("b"))]);
  assert.ok(board.ready);
  assert.deepEqual([...board.touched].sort(), ["a", "b"]);
  const before = board;
  board = applyFrames(board, [changed(session("c", { state: "answering" })), gone("a"), changed(session("b", { turns: 7 }))]);
  assert.deepEqual(ids(board), ["b", "c"]);
  assert.equal(board.tiles.get("b").turns, 7);
  assert.deepEqual([...board.touched].sort(), ["a", "b", "c"]);
  assert.deepEqual(ids(before), ["a", "b"], "the board before is as it was");
  board = applyFrames(board, [roster(session("d"))]);
  assert.deepEqual(ids(board), ["d"], "a whole roster replaces everything");
  assert.deepEqual([...board.touched].sort(), ["b", "c", "d"], "what it took away was touched too");
});

test("classes come with the roster and by themselves, and stay when a roster names none", () => {
  const classes = [{ id: "k", name: "7b", students: ["u-a"] }];
  let board = applyFrames(emptyBoard, [{ ctl: { type: "roster", sessions: [], classes } }]);
  assert.ok(board.classes[0].students.has("u-a"));
  board = applyFrames(board, [{ ctl: { type: "roster_classes", classes: [{ ...classes[0], students: [] }] } }]);
  assert.equal(board.classes[0].students.size, 0);
  assert.equal(applyFrames(board, [roster()]).classes.length, 1);
});

test("signals stand by urgency, safety first, and a raised hand is one of them", () => {
  const items = ["idle", "hand", "struggling", "safety", "rain"].map((kind) => ({ kind, level: 1, since: at(1), why: kind }));
  const hand = { since: at(2), claimed_by: null };
  const board = applyFrames(emptyBoard, [roster(session("a", { hand, signals: { items } }))]);
  assert.deepEqual(board.tiles.get("a").signals.map(({ kind }) => kind), ["safety", "hand", "struggling", "idle"]);
});

test("what somebody has seen to is no signal, and says who it was", () => {
  const dealt_with = [{ kind: "safety", by: { id: "t", name: "Ms Kay" }, at: at(5) }];
  const items = [{ kind: "idle", level: 1, since: at(1), why: "No reply for 2 minutes" }];
  const board = applyFrames(emptyBoard, [roster(session("a", { signals: { items, dealt_with } }), session("b"))], 60_000);
  assert.deepEqual(board.tiles.get("a").signals.map(({ kind }) => kind), ["idle"]);
  const [dealt] = board.tiles.get("a").dealt;
  assert.deepEqual(dealt, { kind: "safety", by: "Ms Kay", at: Date.parse(at(65)) });
  assert.match(dealtWords(dealt), /^Dealt with by Ms Kay at .*\d/);
  assert.deepEqual(board.tiles.get("b").dealt, [], "a server that does not say it");
  assert.ok(canBeDealtWith("safety") && !canBeDealtWith("struggling"));
  assert.deepEqual(readDealt("x"), []);
  assert.equal(readDealt([{ kind: "safety", by: null, at: "x" }])[0].by, "a tutor");
});

test("hands: the oldest first; who claimed one stays named", () => {
  const up = (id, second, claimed_by = null) => session(id, { hand: { since: at(second), claimed_by } });
  const board = applyFrames(emptyBoard, [roster(up("a", 30), session("b"), up("c", 10, { id: "t", name: "Ms Kay" }), up("d", 20))]);
  assert.deepEqual(raisedHands(board).map(({ id }) => id), ["c", "d", "a"]);
  assert.equal(raisedHands(board)[0].hand.claimedBy.name, "Ms Kay");
});

test("times are moved by as much as this clock is ahead", () => {
  const board = applyFrames(emptyBoard, [roster(session("a", { hand: { since: at(5), claimed_by: null } }))], 90_000);
  assert.equal(board.tiles.get("a").stateSince, Date.parse(at(90)));
  assert.equal(board.tiles.get("a").hand.since, Date.parse(at(95)));
});

test("a frame that is not as it should be breaks nothing", () => {
  const odd = [null, {}, { ctl: {} }, { ev: {} }, { ctl: { type: "roster_changed" } }, { ctl: { type: "roster", sessions: null } }, { ctl: { type: "pong", t: 1 } }, changed({ session_id: "a" }), changed({ session_id: "b", state: "flying", signals: { items: "x" } })];
  const board = applyFrames(emptyBoard, odd);
  assert.deepEqual(ids(board), ["a", "b"]);
  assert.equal(board.tiles.get("b").state, "waiting");
  assert.equal(board.tiles.get("a").student.name, "A student");
});

test("however the frames are cut into batches, the board is the same", () => {
  const next = random(11);
  for (let round = 0; round < 200; round += 1) {
    const frames = Array.from({ length: 40 }, (_, turn) => {
      const id = String(Math.floor(next() * 6));
      const luck = next();
      if (luck < 0.05) return roster(session("0"), session("3", { turns: turn }));
      return luck < 0.25 ? gone(id) : changed(session(id, { turns: turn }));
    });
    const whole = applyFrames(emptyBoard, frames);
    let board = emptyBoard;
    for (let from = 0; from < frames.length; ) {
      const many = 1 + Math.floor(next() * 9);
      const before = board;
      board = applyFrames(board, frames.slice(from, (from += many)));
      for (const id of new Set([...before.tiles.keys(), ...board.tiles.keys()])) {
        if (before.tiles.get(id) !== board.tiles.get(id)) assert.ok(board.touched.has(id), "nothing changes untouched");
      }
    }
    assert.deepEqual(board.tiles, whole.tiles);
  }
});
