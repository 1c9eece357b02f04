// Following a task: by its events, over cuts, by asking where no more may watch, and not a moment longer than wanted.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

const account = { access: "token", expires: Date.now() + 86_400_000, refresh: "r", user: { id: "1", role: "tutor" }, keep: true };
const localStorage = { getItem: () => JSON.stringify(account), setItem: () => {}, removeItem: () => {} };
Object.assign(globalThis, { localStorage, document: { cookie: "" }, location: { protocol: "https:" } });
const { followTask } = await import("../../static/js/net/tasks.js");

const task = (status, progress) => ({ id: "t", kind: "document_pages", status, progress });
const json = (value, status = 200) => new Response(JSON.stringify(value), { status });
const told = (...tasks) => new Response(tasks.map((each) => `data: ${JSON.stringify(each)}\n\n`).join(""));

let asked, answers;
beforeEach(() => {
  asked = [];
  answers = [];
  mock.timers.reset();
  // Pauses are over when they begin; what is heard is not hurried.
  mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.fetch = async (path, { signal, headers }) => {
    signal?.throwIfAborted();
    asked.push([path.replace("/api/v1/tasks/t", ""), headers.authorization, headers.accept]);
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
});

async function follow({ signal = new AbortController().signal, turn = () => {} } = {}) {
  const heard = [];
  let over = false;
  const failed = (problem) => (problem.name === "AbortError" ? problem.name : problem.code);
  const end = followTask("t", (each) => heard.push(each.progress), signal).then((last) => last.status, failed).finally(() => (over = true));
  for (let turns = 0; !over; turns += 1) {
    assert.ok(turns < 50, "it does not end");
    turn(heard);
    await new Promise((resolve) => setImmediate(resolve));
    mock.timers.tick(30_000);
  }
  return { heard, end: await end, asked: asked.map(([path]) => path) };
}

test("each event is told until the task is over, and the token comes along", async () => {
  answers = [told(task("queued", 0), task("running", 0.37), task("succeeded", 1))];
  assert.deepEqual(await follow(), { heard: [0, 0.37, 1], end: "succeeded", asked: ["/events"] });
  assert.deepEqual(asked[0].slice(1), ["Bearer token", "text/event-stream"]);
});

test("a line that is cut is opened again", async () => {
  answers = [told(task("running", 0.2)), new TypeError("fetch failed"), told(task("running", 0.6)), told(task("failed", 0.6))];
  assert.deepEqual(await follow(), { heard: [0.2, 0.6, 0.6], end: "failed", asked: ["/events", "/events", "/events", "/events"] });
});

test("where too many watch already, the task is asked for", async () => {
  const full = () => json({ code: "overloaded" }, 503);
  answers = [full(), json(task("running", 0.1)), full(), json(task("succeeded", 1))];
  assert.deepEqual(await follow(), { heard: [0.1, 1], end: "succeeded", asked: ["/events", "", "/events", ""] });
});

test("what is gone is not asked for again", async () => {
  answers = [json({ code: "not_found" }, 404)];
  assert.deepEqual(await follow(), { heard: [], end: "not_found", asked: ["/events"] });
});

test("whoever leaves the page ends it, while it listens and while it waits", async () => {
  const listening = new AbortController();
  const endless = new ReadableStream({ start: (line) => line.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(task("running", 0.5))}\n\n`)), cancel: () => asked.push(["closed"]) });
  answers = [new Response(endless)];
  const turn = ([heard]) => heard && listening.abort();
  assert.deepEqual(await follow({ signal: listening.signal, turn }), { heard: [0.5], end: "AbortError", asked: ["/events", "closed"] });
  const waiting = new AbortController();
  asked = [];
  answers = [new TypeError("fetch failed")];
  assert.deepEqual(await follow({ signal: waiting.signal, turn: () => asked.length && waiting.abort() }), { heard: [], end: "AbortError", asked: ["/events"] });
});
