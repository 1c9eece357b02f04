// What goes with a message: never more than the server takes, and nothing that is not there yet.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as attached from "../../static/js/chat/attached.js";

const stages = (list) => list.map(({ key, stage }) => `${key}:${stage}`);

test("a file goes with the message when it is there", () => {
  let list = attached.add(attached.add([], 1, "a.png"), 2, "b.pdf");
  assert.equal(attached.isReady(list), false);
  list = attached.arrived(attached.moved(list, 1, 0.5), 2, "id-b");
  assert.deepEqual([list[0].progress, stages(list), attached.ids(list)], [0.5, ["1:uploading", "2:ready"], ["id-b"]]);
  list = attached.arrived(list, 1, "id-a");
  assert.ok(attached.isReady(list));
  assert.deepEqual(attached.ids(list), ["id-a", "id-b"], "in the order in which they were added");
});

test("what was refused is tried again or taken away", () => {
  const list = attached.refused(attached.add([], 1, "a.exe"), 1, "unsupported_file");
  assert.deepEqual([stages(list), list[0].error, attached.isReady(list)], [["1:failed"], "unsupported_file", false]);
  assert.deepEqual(attached.again(list, 1)[0], { key: 1, name: "a.exe", stage: "uploading", progress: 0, error: undefined });
  assert.deepEqual(attached.without(list, 1), []);
  assert.ok(attached.isReady([]), "nothing holds up a message without files");
});

test("five and no more", () => {
  let list = [];
  for (let key = 1; key <= 7; key += 1) list = attached.add(list, key, `${key}.png`);
  assert.deepEqual(list.map(({ key }) => key), [1, 2, 3, 4, 5]);
  assert.equal(attached.add(list, 8, "8.png", 8).length, 6, "where there is room for eight, six are no more than it takes");
});
