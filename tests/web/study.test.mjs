// Practising, without a page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { askAbout, feedback, isRight, leaf, lines, newDeck, pressed, turn } from "../../static/js/study.js";

test("cards are turned and leafed through, each with its front first", () => {
  const turned = turn(newDeck);
  assert.deepEqual(turned, { at: 0, turned: true });
  assert.deepEqual(turn(turned), newDeck);
  assert.deepEqual(leaf(turned, 1, 3), { at: 1, turned: false });
  assert.deepEqual(leaf(newDeck, -1, 3), { at: 2, turned: false }, "before the first comes the last");
  assert.deepEqual(leaf({ at: 2, turned: true }, 1, 3), newDeck);
  assert.deepEqual(leaf(newDeck, 1, 0), newDeck);
});

test("space turns a card, the arrows leaf, and other keys are somebody else's", () => {
  assert.deepEqual(pressed(" ", newDeck, 3), { at: 0, turned: true });
  assert.deepEqual(pressed("ArrowRight", newDeck, 3), { at: 1, turned: false });
  assert.deepEqual(pressed("ArrowLeft", newDeck, 3), { at: 2, turned: false });
  for (const key of ["Enter", "Tab", "a", "Escape"]) assert.equal(pressed(key, newDeck, 3), null, key);
});

test("a choice is told calmly whether it is right", () => {
  const question = { question: "2 + 2?", choices: ["3", "4"], answer: "4" };
  assert.equal(isRight(question, "4"), true);
  assert.equal(isRight(question, "3"), false);
  assert.equal(isRight({ question: "2 + 2?", answer: "4" }, "4"), false, "there is nothing to choose");
  assert.match(feedback(question, "4"), /^Yes/);
  assert.match(feedback(question, "3"), /^Not quite/);
});

test("what a student asks about a problem names it and is never too long", () => {
  assert.equal(askAbout({ label: "3a", text: "What is $x$?" }, 0), "Help me with problem 3a: What is $x$?");
  assert.equal(askAbout({ label: "", text: "Why?" }, 4), "Help me with problem 5: Why?");
  assert.ok(askAbout({ label: "1", text: "x".repeat(2000) }, 0).length < 1100);
  assert.deepEqual(lines(" a \n\nb\na"), ["a", "b"]);
});
