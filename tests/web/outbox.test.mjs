// A message is sent until it is accepted, in order, and shown as sent only then.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as outbox from "../../static/js/chat/outbox.js";
import { random } from "./random.mjs";

const entry = (id, more = {}) => ({ id, user: "u", session: "s", kind: "send", text: id, stage: "queued", ...more });
const stages = (entries) => entries.map(({ id, stage }) => `${id}:${stage}`);

test("one at a time, in order", () => {
  let entries = [entry("a"), entry("b")];
  assert.equal(outbox.nextDue(entries, 0).id, "a");
  entries = outbox.markSending(entries, "a");
  assert.equal(outbox.nextDue(entries, 0), undefined);
  entries = outbox.markAccepted(entries, "a");
  assert.equal(outbox.nextDue(entries, 0).id, "b");
  assert.deepEqual(stages(entries), ["a:sent", "b:queued"]);
});

test("only the acknowledgement makes it sent", () => {
  const entries = outbox.markSending([entry("a")], "a");
  assert.deepEqual(stages(outbox.markCut(entries)), ["a:queued"]);
  assert.deepEqual(stages(outbox.markAccepted(outbox.markCut(entries), "a")), ["a:sent"], "also when it comes late");
});

test("a refusal that passes waits, any other asks the student", () => {
  const entries = outbox.markSending([entry("a"), entry("b")], "a");
  const waits = outbox.markRefused(entries, "a", { code: "rate_limited", retry_after_ms: 700 }, 1000);
  assert.equal(outbox.nextDue(waits, 1600), undefined, "the next one does not overtake it");
  assert.equal(outbox.nextWake(waits, 1600), 1700);
  assert.equal(outbox.nextDue(waits, 1700).id, "a");
  const fails = outbox.markRefused(entries, "a", { code: "text_too_long" }, 1000);
  assert.deepEqual(stages(fails), ["a:failed", "b:queued"]);
  assert.equal(outbox.nextDue(fails, 1000).id, "b");
  assert.equal(outbox.nextDue(outbox.markRetry(fails, "a"), 1000).id, "a");
});

test("what the log shows leaves the outbox; what was superseded does too", () => {
  const entries = [entry("a", { stage: "sent" }), entry("b", { stage: "sending" }), entry("c")];
  assert.deepEqual(stages(outbox.dropSeen(entries, new Set(["b"]), false)), ["a:sent", "c:queued"]);
  assert.deepEqual(stages(outbox.dropSeen(entries, new Set(), true)), ["b:sending", "c:queued"]);
});

test("over a line that keeps breaking every message arrives once and in order", () => {
  const next = random(5);
  for (let round = 0; round < 300; round += 1) {
    let entries = ["a", "b", "c", "d"].map((id) => entry(id));
    const server = [];
    for (let step = 0; entries.length && step < 10_000; step += 1) {
      const due = outbox.nextDue(entries, step);
      if (due) entries = outbox.markSending(entries, due.id);
      const sending = entries.find((each) => each.stage === "sending");
      const luck = next();
      if (sending && luck < 0.7 && !server.includes(sending.id)) server.push(sending.id); // it arrived
      if (sending && luck < 0.5) entries = outbox.markAccepted(entries, sending.id); // and so did the answer
      else if (luck > 0.6) entries = outbox.markCut(entries);
      if (luck < 0.3) entries = outbox.dropSeen(entries, new Set(server), false);
    }
    assert.deepEqual(server, ["a", "b", "c", "d"]);
  }
});

test("the commands", () => {
  assert.deepEqual(outbox.toCommand(entry("a", { files: ["f"] })), { type: "send", id: "a", text: "a", files: ["f"] });
  assert.deepEqual(outbox.toCommand(entry("a", { files: [] })), { type: "send", id: "a", text: "a" });
  const edit = outbox.toCommand(entry("a", { kind: "edit", replaces: "m", files: ["f"] }));
  assert.equal(edit.files, undefined, "an edit keeps the files of its message, gone ones too");
  assert.deepEqual(outbox.toCommand(entry("a")), { type: "send", id: "a", text: "a" });
  assert.deepEqual(outbox.toCommand(entry("a", { kind: "edit", replaces: "m" })), { type: "edit", id: "a", message: "m", text: "a" });
});
