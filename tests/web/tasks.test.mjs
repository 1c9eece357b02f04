// Tasks: their words, a list that is looked at again, and their events as they come.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { events } from "../../static/js/net/events.js";
import { failure, failures, kindName, kinds, lookedAgain, percent, standing } from "../../static/js/task.js";

const task = (id, more = {}) => ({ id, kind: "document_parse", status: "running", progress: 0, attempts: 1, run_at: "2026-01-05T09:00:00Z", created_at: "2026-01-05T09:00:00Z", ...more });

test("a number never says that it is done before it is", () => {
  assert.deepEqual([0, 0.004, 0.29, 0.37, 0.999, 1, 1.2, -1].map(percent), [0, 0, 29, 37, 99, 100, 100, 0]);
});

test("what became of a task is said in words", () => {
  const now = Date.parse("2026-01-05T09:00:00Z");
  assert.equal(standing(task("a")), "Running");
  assert.equal(standing(task("a", { status: "failed", error: { code: "cancelled", message: "" } })), "Called off");
  assert.equal(standing(task("a", { status: "failed", error: { code: "gone", message: "" } })), "Failed");
  assert.equal(standing(task("a", { status: "queued", attempts: 0 }), now), "Waiting");
  assert.equal(standing(task("a", { status: "queued", run_at: "2026-01-05T09:01:00Z" }), now), "Tried again soon");
  assert.equal(failure(task("a", { error: { code: "timed_out", message: "?" } })), "It took too long.");
  assert.equal(failure(task("a", { error: { code: "from_tomorrow", message: "It could not be done." } })), "It could not be done.");
  assert.equal(failure(task("a")), "");
  assert.equal(kindName("document_parse"), "Reading a document");
  assert.equal(kindName("a_new_one"), "A new one");
});

test("every kind that the server has is named, and every way of its jobs to fail has a sentence", async () => {
  const file = (path) => readFile(new URL(`../../${path}`, import.meta.url), "utf8");
  const named = [...(await file("src/jobs.rs")).matchAll(/^ +name: "([a-z_]+)"/gm)].map(([, name]) => name);
  assert.ok(named.length > 4, "the kinds are found");
  assert.deepEqual(named.filter((name) => !(name in kinds)), []);
  const paths = (await readdir(new URL("../../src/jobs", import.meta.url), { recursive: true })).filter((path) => path.endsWith(".rs"));
  const codes = (await Promise.all(paths.map((path) => file(`src/jobs/${path}`)))).join("").matchAll(/Fault::(?:passing|lasting)\("([a-z_]+)"\)/g);
  const known = [...codes].map(([, code]) => code);
  assert.ok(known.length > 6, "the codes are found");
  assert.deepEqual([...new Set(known)].filter((code) => !(code in failures)), []);
});

test("a list that is looked at again changes where it stands; what is new is counted, what is out of sight is named", () => {
  const shown = [task("c"), task("b", { status: "queued" }), task("a", { status: "succeeded" })];
  const { tasks, news, unseen } = lookedAgain(shown, [task("e"), task("d"), task("c", { progress: 0.5 })]);
  assert.deepEqual(tasks.map(({ id, progress }) => [id, progress]), [["c", 0.5], ["b", 0], ["a", 0]]);
  assert.equal(news, 2);
  assert.deepEqual(unseen, ["b"], "what is over does not change any more");
});

/** A stream that brings these pieces. */
const stream = (pieces, end = true) => new ReadableStream({
  start(line) {
    for (const piece of pieces) line.enqueue(new TextEncoder().encode(piece));
    if (end) line.close();
  },
});
const heard = async (from, quiet) => {
  const all = [];
  for await (const event of events(from, quiet)) all.push(event);
  return all;
};

test("events are heard however they are cut into pieces", async () => {
  const text = 'data: {"a":1}\n\n: nothing\n\ndata:{"b":"é"}\r\n\r\nevent: x\ndata: {"c":3}\n\ndata: {"cut":';
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size < 12; size += 1) {
    const pieces = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.slice(at, at + size));
    const from = new ReadableStream({ start: (line) => (pieces.forEach((piece) => line.enqueue(piece)), line.close()) });
    assert.deepEqual(await heard(from), [{ a: 1 }, { b: "é" }, { c: 3 }], `pieces of ${size}`);
  }
});

test("a line that says nothing any more is closed, and so is one that nobody reads on", async () => {
  assert.deepEqual(await heard(stream(['data: {"a":1}\n\n'], false), 10), [{ a: 1 }]);
  let closed = false;
  const endless = new ReadableStream({ pull: (line) => line.enqueue(new TextEncoder().encode("data: 1\n\n")), cancel: () => void (closed = true) });
  for await (const event of events(endless)) if (event) break;
  assert.ok(closed);
});
