// A session played again: what was on the screen at any moment of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { messagesAt, placeOf, timelineOf } from "../../static/js/observe/timeline.js";

const begin = Date.parse("2026-01-01T10:00:00Z");
const iso = (ms) => new Date(begin + ms).toISOString();
const rest = (id, author, content, at, more = {}) => ({ id, author: { id: "x", name: "", kind: author }, content, status: "complete", created_at: iso(at), ...more });
const kay = { id: "k", name: "Ms Kay" };
const smile = "Hi 😀 there";
const page = {
  session: {},
  messages: [
    rest("q1", "student", "Why?", 0),
    rest("a1", "assistant", smile, 100, { pace: [[200, 3], [400, 2], [600, 8]], finish_reason: "stop", corrected_by: "c1" }),
    rest("c1", "tutor", "No.", 60_000, { corrects: "a1" }),
  ],
  acts: [{ id: "x1", at: iso(30_000), kind: "whispered", by: kay, whisper: { text: "Ask back.", until: "next", state: "used" } }, { id: "x2", at: iso(60_000), kind: "corrected", by: kay, message_id: "c1" }],
  signals: [{ kind: "struggling", level: 2, why: "asked twice", started_at: iso(29_000), ended_at: null }],
};
const seen = (timeline, at) => messagesAt(timeline, at).map(({ id, text, status, correctedBy }) => [id, text, status, correctedBy]);

test("text stands as it streamed, and half a character is not shown", () => {
  const timeline = timelineOf([page]);
  assert.deepEqual(seen(timeline, 0), [["q1", "Why?", "complete", ""]]);
  assert.deepEqual(seen(timeline, 100)[1], ["a1", "", "streaming", ""]);
  assert.deepEqual(seen(timeline, 300)[1], ["a1", "Hi ", "streaming", ""]);
  assert.deepEqual(seen(timeline, 500)[1], ["a1", "Hi ", "streaming", ""], "two bytes of an emoji are no character");
  assert.deepEqual(seen(timeline, 700)[1], ["a1", smile, "complete", ""]);
  assert.equal(messagesAt(timeline, 700)[1], messagesAt(timeline, 900)[1], "what is over is the same object, so it is not drawn again");
});

test("quiet stretches are shortened, or not, and every mark has its place", () => {
  const timeline = timelineOf([page]);
  assert.equal(timeline.length, 700 + 1500 + 1000 + 1500);
  assert.deepEqual(timeline.marks.map(({ kind, at }) => [kind, at]), [["struggling", 2200], ["whispered", 3200], ["corrected", 4700]]);
  assert.deepEqual(timeline.marks.map((mark) => placeOf(timeline, mark)), ["a1", "a1", "c1"]);
  assert.equal(timeline.marks[1].text, "Ask back.");
  const whole = timelineOf([page], { short: false });
  assert.deepEqual([whole.length, ...whole.marks.map((mark) => mark.at)], [60_000, 29_000, 30_000, 60_000]);
});

test("an answer is struck when its correction comes, and not before", () => {
  const timeline = timelineOf([page]);
  assert.equal(seen(timeline, timeline.length - 1)[1][3], "");
  assert.equal(seen(timeline, timeline.length)[1][3], "c1");
});

test("time runs forward: a later moment never shows less", () => {
  const timeline = timelineOf([page]);
  let before = 0;
  for (let at = 0; at <= timeline.length; at += 7) {
    const shown = messagesAt(timeline, at).reduce((sum, { text }) => sum + text.length + 1, 0);
    assert.ok(shown >= before, `at ${at}`);
    before = shown;
  }
  assert.equal(timeline.played(begin - 1), 0);
});

test("pages are one line, acts that come with each of them count once, and an empty session is one too", () => {
  const timeline = timelineOf([page, { ...structuredClone(page), messages: [rest("q2", "student", "More?", 61_000, { superseded: true })] }]);
  assert.equal(timeline.marks.length, 3);
  assert.deepEqual(timeline.tracks.map(({ message }) => message.id), ["q1", "a1", "c1", "q2"]);
  assert.equal(timeline.tracks[3].message.superseded, true);
  const empty = timelineOf([{ session: {}, messages: [], acts: [], signals: [] }]);
  assert.deepEqual([empty.length, messagesAt(empty, 0)], [0, []]);
  const bare = timelineOf([{ session: {}, messages: [rest("a", "assistant", "whole", 0, { pace: null })], acts: [], signals: [] }]);
  assert.equal(messagesAt(bare, 0)[0].text, "whole", "an answer whose pace is not known comes whole");
  const short = timelineOf([{ session: {}, messages: [rest("a", "assistant", "whole", 0, { pace: [[100, 2], [200, 1]] })], acts: [], signals: [] }]);
  assert.equal(messagesAt(short, 200)[0].text, "whole", "no byte is lost to a pace that ends early");
});
