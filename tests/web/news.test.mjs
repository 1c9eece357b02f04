// What a tutor is told: each signal once, safety first, again after a minute if nobody went, never who it is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { applyFrames, emptyBoard } from "../../static/js/observe/board.js";
import { noMarks, readMarks } from "../../static/js/observe/marks.js";
import { listen, loudness, summarise } from "../../static/js/observe/news.js";
import { at, roster, session } from "./roster-frames.mjs";

const start = Date.parse(at(0));
const signals = (...kinds) => ({ signals: { items: kinds.map(([kind, level, second]) => ({ kind, level, since: at(second), why: "because" })) } });
const hand = (claimed_by = null) => ({ hand: { since: at(1), claimed_by } });
const boardOf = (...sessions) => applyFrames(emptyBoard, [roster(...sessions)]);
const told = ({ news }) => news.map(({ session: id, kind, again }) => `${id} ${kind}${again ? " again" : ""}`);

/** Plays boards one after the other, each at its second. */
function play(...steps) {
  let heard = null;
  return steps.map(([second, board, marks = noMarks]) => {
    const result = listen(heard, board, { marks, now: start + second * 1000 });
    heard = result.heard;
    return told(result);
  });
}

test("what was there already is no news; what begins is, once", () => {
  const quiet = boardOf(session("a", signals(["idle", 1, 0])), session("b"));
  const loud = boardOf(session("a", signals(["idle", 1, 0])), session("b", signals(["struggling", 2, 5], ["safety", 3, 5])));
  assert.deepEqual(play([0, quiet], [5, loud], [6, loud]), [[], ["b safety", "b struggling"], []]);
});

test("safety comes before everything else, whatever the order of the tiles", () => {
  const board = boardOf(session("a", hand()), session("b", signals(["error", 3, 5])), session("c", signals(["safety", 1, 5])));
  assert.deepEqual(play([0, boardOf()], [5, board]), [[], ["c safety", "a hand", "b error"]]);
});

test("a signal that begins anew or grows is news again", () => {
  const first = boardOf(session("a", signals(["struggling", 1, 5])));
  const grown = boardOf(session("a", signals(["struggling", 2, 5])));
  const later = boardOf(session("a", signals(["struggling", 2, 50])));
  assert.deepEqual(play([0, boardOf()], [5, first], [20, grown], [30, first], [50, later]).slice(1), [["a struggling"], ["a struggling"], [], ["a struggling"]]);
});

test("after a minute it is told again, each minute, until somebody has claimed it", () => {
  const up = boardOf(session("a", hand()));
  const taken = boardOf(session("a", hand({ id: "t", name: "Ms Kay" })));
  assert.deepEqual(play([0, boardOf()], [1, up], [60, up], [61, up], [62, up], [121, up], [200, taken]), [[], ["a hand"], [], ["a hand again"], [], ["a hand again"], []]);
  assert.deepEqual(play([0, up], [59, up], [60, up]), [[], [], ["a hand again"]], "also what was there from the start");
});

test("safety is told again until somebody is there; the quieter kinds never are", () => {
  const alone = boardOf(session("a", signals(["safety", 3, 1], ["struggling", 3, 1], ["idle", 3, 1])));
  const watched = boardOf(session("a", { watchers: 1, ...signals(["safety", 3, 1]) }));
  assert.deepEqual(play([0, alone], [60, alone], [130, watched]), [[], ["a safety again"], []]);
});

test("what is muted says nothing, and speaks when it may again", () => {
  const board = boardOf(session("a", signals(["safety", 3, 1])));
  const marks = readMarks([{ session_id: "a", kind: "safety", useful: null, muted_until: at(100) }]);
  assert.deepEqual(play([0, boardOf()], [5, board, marks], [99, board, marks], [101, board, marks]), [[], [], [], ["a safety"]]);
});

test("only what needs a human makes a noise", () => {
  const loud = (kind, level) => loudness({ session: "a", kind, level, again: false });
  assert.deepEqual([loud("safety", 1), loud("hand", 1), loud("struggling", 2), loud("struggling", 1), loud("error", 2), loud("idle", 3), loud("off_task", 3)], ["safety", "hand", "other", null, "other", null, null]);
});

test("the summary counts, and names nobody", () => {
  const news = (kind, again = false) => ({ session: "s-1", kind, level: 2, again });
  assert.equal(summarise([news("hand"), news("safety"), news("hand")]), "3 new signals: 1 safety signal, 2 raised hands.");
  assert.equal(summarise([news("idle"), news("hand", true)]), "1 new signal: 1 student idle. 1 still waiting for a tutor.");
  assert.equal(summarise([]), "");
});
