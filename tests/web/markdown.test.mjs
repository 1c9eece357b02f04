// Whatever pieces an answer comes in, it ends up the same; and nothing but what the page knows comes out.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Marked } from "marked";
import highlighter from "highlight.js/lib/common";
import remend from "remend";
import { longestCode } from "../../static/js/markdown/enrich.js";
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

test("finished blocks never come back, and the open end is all that is read again", () => {
  const markdown = new MarkdownStream(syntax);
  const read = [];
  const counted = new MarkdownStream({ ...syntax, lexSoFar: (source) => read.push(source.length) && syntax.lexSoFar(source) });
  const paragraph = "A paragraph of about sixty characters, which is then finished.\n\n";
  let finished = 0;
  for (let count = 0; count < 200; count += 1) {
    finished += markdown.push(paragraph).finished.length;
    counted.push(paragraph);
  }
  assert.equal(finished, 199);
  assert.ok(Math.max(...read) <= 2 * paragraph.length, `at most two paragraphs at a time, not ${Math.max(...read)}`);
});

/** Every element, attribute and text of a tree. */
function* walk(nodes) {
  for (const node of nodes) {
    yield node;
    if (node.kind === "element") yield* walk(node.children);
  }
}

const allowed = new Set("p h3 h4 h5 h6 blockquote hr ul ol li div table thead tbody tr th td strong em del code br sub sup kbd a small".split(" "));
const attributes = new Set("dir class tabindex role aria-label start scope href target rel".split(" "));
const hostile = [
  "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "![x](https://evil.example/pixel.png)", "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))", "[x](java\tscript:alert(1))", "[x](&#106;avascript:alert(1))", "[x](data:text/html,<script>alert(1)</script>)",
  "[x](//evil.example)", "[x](https://good.example@evil.example)", "<https://evil.example/?q=1>", "<javascript:alert(1)>", "[x](vbscript:x)",
  "[x]: javascript:alert(1)\n\n[x]", "<svg><script>alert(1)</script></svg>", "<iframe src=https://evil.example></iframe>", "<a href='javascript:alert(1)'>x</a>",
  "<br onmouseover=alert(1)>", "<sub onclick=alert(1)>x</sub>", "<kbd><img src=x></kbd>", "```html onload=alert(1)\n<script>alert(1)</script>\n```",
  "```\" onclick=\"alert(1)\nx\n```", "| <img src=x> | [y](javascript:1) |\n|-|-|\n| <style>*{}</style> | ![z](http://evil.example) |", "[a](http://x\" onclick=\"y)",
  "$\\href{javascript:alert(1)}{x}$", "![a](x \"t\" onerror=\"1\")", "[![i](https://evil.example/i.png)](https://ok.example)", "\u0000<\u0000script>",
];

test("only known tags, attributes and plain addresses come out of a model's text", () => {
  const next = random(11);
  for (let round = 0; round < 400; round += 1) {
    const text = Array.from({ length: 4 }, () => hostile[Math.floor(next() * hostile.length)]).join(next() < 0.5 ? "\n\n" : " ");
    for (const node of walk(stream(round % 2 ? [text] : cut(text, next)))) {
      if (node.kind !== "element") continue;
      assert.ok(allowed.has(node.tag), `${node.tag} from ${text}`);
      for (const [name, value] of Object.entries(node.attributes)) {
        assert.ok(attributes.has(name), `${name} from ${text}`);
        if (name === "href") assert.match(value, /^(?:https?:\/\/(?!good\.example@)|mailto:)/, text);
      }
    }
  }
  const [link] = stream(["[read on](https://evil.example/a)"])[0].children;
  assert.deepEqual(link.children.at(-1).children, [" (evil.example)"], "a link says where it goes");
});

test("a link into the library stays on the page, and no other place on it is linked", () => {
  const id = "01900000-0000-7000-8000-00000000000a";
  const [link] = stream([`[Halves](#/library/${id})`])[0].children;
  assert.deepEqual([link.tag, link.attributes, link.children], ["a", { href: `#library/${id}` }, ["Halves"]]);
  for (const page of [`${id}?page=37`, `${id}?page=37&file=${id}`]) {
    assert.equal(stream([`[Page 37](#/library/${page})`])[0].children[0].attributes?.href, `#library/${page}`);
  }
  for (const other of [`#/library/${id}?page=x`, `#/library/${id}?page=1&file=../x`, "#/library/", "#/library/new", "#admin/users", `#/library/${id}/edit`, `/library/${id}`, `#/library/${id}?x`, "#/library/../../x"]) {
    for (const node of walk(stream([`[Halves](${other})`]))) assert.notEqual(node.tag, "a", other);
  }
});

test("what is math, and what is money", () => {
  const math = ["$x$", "$x^2 + 1$", "$5$", "$5x = 10$", "$\\$5 + x$", "$a_1$.", "$$x$$", "\\(x\\)", "\\[x\\]", "$\\frac{1}{2}$", "$2 + 2 = 4$", "$-3$", "$10\\%$",
    "$f(x) = 3$", "$3.14$", "$\\text{price} = 5$", "$n$th", "$(a)$", "$x$,", "$$a\nb$$", "\\[a\nb\\]"];
  const money = ["$5 and $6", "$5, $6", "$5-$6", "$5/$10", "$ x $", "$", "$$", "$5", "US$5", "$5 apples or 6$", "$1,000 and $2,000", "$5.", "$x\ny$", "$ 5$", "$5 $",
    "$$ $$", "$20 bills cost 20$", "$a`b$`", "\\(x", "$$x", "$5k to $6k", "$3 per person, or 4$", "$100 (about 90$"];
  for (const source of math) assert.ok(mathAt(source), `${source} is math`);
  for (const source of money) assert.equal(mathAt(source, { before: source[0] === "U" ? "S" : "" }), null, `${source} is not math`);
  assert.equal(mathAt("$x$", { before: "S" }), null, "a dollar inside of a word");
  assert.deepEqual(mathAt("$$\\frac{a}{b", { streaming: true })?.open, true, "a displayed formula being written");
});

test("only short code gets colours, C# the shortest, by whichever name it comes", () => {
  for (const name of ["cs", "csharp", "c#"]) assert.equal(longestCode(highlighter.getLanguage(name).name), 2000, name);
  for (const name of ["java", "py", "html"]) assert.equal(longestCode(highlighter.getLanguage(name).name), 8000, name);
});
