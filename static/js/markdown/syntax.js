// The dialect of Markdown that answers are written in, on top of marked's lexer: GitHub's, with math, and
// without what would be dangerous (raw HTML) or would let later text change earlier text (link definitions).
import { blockMathAt, blockMathStart, mathAt, mathStart } from "./math.js";

/** @typedef {any} Token one of marked's tokens, or ours: `math`, `blockMath`, `inlineTag` */
/**
 * @typedef {object} Syntax
 * @property {(source: string) => Token[]} lex       text that is final
 * @property {(source: string) => Token[]} lexSoFar  text that goes on: a formula that has opened reaches to its end
 * @property {(source: string) => Token[]} lexOpen   the same, drawn: marks that are still open are closed
 */

/**
 * @param {{Marked: any, remend: (text: string, options?: object) => string}} vendor
 * @returns {Syntax}
 */
export function makeSyntax({ Marked, remend }) {
  const final = dialect(Marked, false);
  const open = dialect(Marked, true);
  return {
    lex: (source) => final.lexer(source),
    lexSoFar: (source) => open.lexer(source),
    lexOpen: (source) => open.lexer(closeMarks(remend, source)),
  };
}

/**
 * Closes the marks that are still open, so that bold text is bold from its first letter on.
 * @param {(text: string, options?: object) => string} remend
 * @param {string} source
 */
function closeMarks(remend, source) {
  if (/^ {0,3}(?:```|~~~|\$\$|\\\[)/.test(source)) return source;
  return remend(source, { katex: false, inlineKatex: false, htmlTags: false, comparisonOperators: false });
}

/** @param {any} Marked @param {boolean} streaming */
function dialect(Marked, streaming) {
  const nothing = () => undefined;
  const marked = new Marked({ gfm: true, breaks: false });
  marked.use({
    tokenizer: { html: nothing, tag: nothing, def: nothing },
    extensions: [blockMath(streaming), inlineMath(streaming), inlineTag],
  });
  return marked;
}

/** @param {boolean} streaming */
const blockMath = (streaming) => ({
  name: "blockMath",
  level: "block",
  start: (/** @type {string} */ source) => found(blockMathStart(source, { streaming })),
  tokenizer(/** @type {string} */ source) {
    const math = blockMathAt(source, { streaming });
    return math ? { type: "blockMath", ...math } : undefined;
  },
});

/** @param {boolean} streaming */
const inlineMath = (streaming) => ({
  name: "math",
  level: "inline",
  start: (/** @type {string} */ source) => found(mathStart(source)),
  tokenizer(/** @type {string} */ source, /** @type {Token[]} */ tokens) {
    const math = mathAt(source, { before: tokens.at(-1)?.raw.at(-1) ?? "", streaming });
    return math ? { type: "math", ...math } : undefined;
  },
});

/** The few tags that models write where Markdown has no mark of its own: H<sub>2</sub>O. */
const inlineTag = {
  name: "inlineTag",
  level: "inline",
  start: (/** @type {string} */ source) => found(source.search(/<(?:br|sub|sup|kbd)\b/i)),
  /** @this {{lexer: any}} */
  tokenizer(/** @type {string} */ source) {
    const line = /^<br\s*\/?>/i.exec(source);
    if (line) return { type: "br", raw: line[0] };
    const pair = /^<(sub|sup|kbd)>([^<\n]{1,200})<\/\1>/i.exec(source);
    if (!pair) return undefined;
    return { type: "inlineTag", tag: pair[1].toLowerCase(), raw: pair[0], tokens: this.lexer.inlineTokens(pair[2]) };
  },
};

/** @param {number} index */
const found = (index) => (index < 0 ? undefined : index);
