// Whatever pieces an answer comes in, it ends up the same; and nothing but what the page knows comes out.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Marked } from "marked";
import remend from "remend";
import { mathAt } from "../../static/js/markdown/math.js";
import { MarkdownStream } from "../../static/js/markdown/stream.js";
import { makeSyntax } from "../../static/js/markdown/syntax.js";
import { random } from "./random.mjs";

const syntax = makeSyntax({ Marked, remend });

/** The tree of `pieces`, with the number of finished blocks after each piece. */
function stream(pieces) {
  const markdown = new MarkdownStream(syntax);
  const tree = [];
  for (const piece of pieces) tree.push(...markdown.push(piece).finished);
  return [...tree, ...markdown.end()];
}

/** @param {string} text @param {() => number} next */
function cut(text, next) {
  const pieces = [];
  for (let at = 0; at < text.length; ) {
    const size = 1 + Math.floor(next() * next() * 40);
    pieces.push(text.slice(at, at + size));
    at += size;
  }
  return pieces;
}

const blocks = [
  "Some **bold** and _italic_ words, `code`, and a [link](https://example.org/a).",
  "line one\nline two  \nline three",
  "# Heading", "### Deeper", "Setext\n---", "Two\nlines\n===",
  "- one\n- two\n  - nested\n- three", "1. first\n2. second\n\n   with a paragraph\n3. third", "- a\n\n- loose\n\n  more\n- b",
  "* star\n* star two", "+ plus", "- [ ] todo\n- [x] done", "-", "1.",
  "> quoted\n> more\n\n> another", "> lazy\ncontinuation", "> - list in quote\n>   more",
  "```python\nprint('hi')\n\n# not a heading\n```", "~~~\ntildes ``` inside\n~~~", "````md\n```\nx\n```\n````", "```\nnever closed",
  "    indented code\n\n    more",
  "| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 |", "a | b\n-|-\n1 | 2", "a|b\n-|-|-\n1|2",
  "$$\nx^2 + y^2\n= z^2\n- 1\n$$", "\\[ \\frac{a}{b} \\]", "\\[\na\n\nb\n\\]", "$$ open", "Text $x^2$ and $$y$$ and \\(z\\) and $5 and $6.", "foo\n$$\nx\n$$ and more",
  "---", "***", "<div onclick='x()'>\n<b>raw</b>\n</div>", "<!-- comment\n\nstill -->", "<script>alert(1)</script>", "H<sub>2</sub>O<br>next",
  "[ref]: https://example.org", "see [ref]", "![alt](https://example.org/x.png)", "https://example.org and www.example.org",
  "tab\tand &lt; &#65; entity", "\\* escaped \\$5", "", "مرحبا **بالعالم**", "a\r\nb", "  indented two", "word",
];

test("any chunking gives the tree of the whole text", () => {
  const next = random(7);
  const joins = ["\n\n", "\n", "\n\n\n", "\n  \n", "\n\n  ", "\n    ", ""];
  for (let round = 0; round < 1500; round += 1) {
    let text = "";
    for (let count = 1 + Math.floor(next() * 7); count > 0; count -= 1) {
      text += blocks[Math.floor(next() * blocks.length)] + joins[Math.floor(next() ** 2 * joins.length)];
    }
    const whole = stream([text]);
    assert.deepEqual(stream(cut(text, next)), whole, JSON.stringify(text));
    if (round % 10 === 0) assert.deepEqual(stream([...text]), whole, `one by one: ${JSON.stringify(text)}`);
  }
});
