import assert from "node:assert/strict";
import { test } from "node:test";
import { afterClose, retryDelay } from "../../static/js/net/comeback.js";
import { uuid7 } from "../../static/js/net/uuid.js";

test("full jitter below a limit that doubles up to twenty seconds", () => {
  assert.equal(retryDelay(0, () => 0.5), 150);
  assert.equal(retryDelay(3, () => 1), 2400);
  assert.equal(retryDelay(3, () => 0), 0);
  assert.equal(retryDelay(50, () => 1), 20_000);
});

test("what each close code leads to", () => {
  const half = { failures: 1, random: () => 0.5 };
  assert.equal(afterClose(4401, half).act, "refresh");
  for (const code of [4400, 4403, 4404, 1009]) assert.equal(afterClose(code, half).act, "end", String(code));
  assert.equal(afterClose(4403, { ...half, failures: 0 }).act, "retry", "once: a right to read may be left");
  for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 4408, 4429, 4999]) assert.equal(afterClose(code, half).act, "retry", String(code));
  assert.ok(afterClose(1012, { failures: 0, retryAfter: 3000, random: () => 0 }).wait >= 3000, "not before the server said");
  assert.ok(afterClose(1012, { failures: 0, retryAfter: 3000, random: () => 1 }).wait > 3000, "and not all at once");
  assert.ok(afterClose(4429, { failures: 0, random: () => 0 }).wait >= 5000);
});

test("a UUIDv7 carries its time and sorts by it", () => {
  assert.match(uuid7(), /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  assert.ok(uuid7(1_700_000_000_000) < uuid7(1_700_000_000_001));
  assert.ok(uuid7(1_700_000_000_000).startsWith("018bcfe5-6800-7"));
});
