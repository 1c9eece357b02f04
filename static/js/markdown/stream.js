// Markdown that arrives in pieces. A block that is finished is parsed once and never again; only the text
// after the last finished block is read anew when more of it comes, so the cost of a token does not grow
// with the answer. Whatever the pieces were, the finished tree is that of the whole text.
import { toTree } from "./tree.js";

/** @typedef {import("./tree.js").Node} Node */
/** @typedef {import("./syntax.js").Token} Token */
/** @typedef {import("./syntax.js").Syntax} Syntax */

export class MarkdownStream {
  /** @type {Syntax} */
  #syntax;
  /** What comes after the last finished block. */
  #open = "";
  /** @type {import("./tree.js").Outline} */
  #outline = { level: 2 };

  /** @param {Syntax} syntax */
  constructor(syntax) {
    this.#syntax = syntax;
  }

  /**
   * Takes more text, and gives the blocks that it finished and what the open end looks like now.
   * @param {string} text
   * @returns {{finished: Node[], open: Node[]}}
   */
  push(text) {
    this.#open += text.replaceAll("\r", "");
    const settled = settledLength(this.#syntax.lexSoFar(this.#open), this.#open);
    const finished = settled ? toTree(this.#syntax.lex(this.#open.slice(0, settled)), this.#outline) : [];
    this.#open = this.#open.slice(settled);
    return { finished, open: toTree(this.#syntax.lexOpen(this.#open), { ...this.#outline }) };
  }

  /** No more text will come: everything that is left is finished. @returns {Node[]} */
  end() {
    const finished = toTree(this.#syntax.lex(this.#open), this.#outline);
    this.#open = "";
    return finished;
  }
}

/**
 * How much of the source nothing that follows can change: all before the last block, once that block has
 * begun beyond doubt. Half a line of it is not enough, for it may yet turn out to belong to the block above.
 * @param {Token[]} tokens
 * @param {string} source
 */
function settledLength(tokens, source) {
  const last = tokens.findLastIndex((token) => token.type !== "space");
  if (last <= 0) return 0;
  const start = tokens.slice(0, last).reduce((length, token) => length + token.raw.length, 0);
  return begunBeyondDoubt(tokens[last], source.slice(start), tokens[last - 1].type === "space") ? start : 0;
}

/**
 * @param {Token} token
 * @param {string} source from where the token begins
 * @param {boolean} apart whether an empty line lies before it; without one, what looks like a table's
 *   first line may yet be more of the paragraph, and only its second line tells
 */
function begunBeyondDoubt(token, source, apart) {
  if (token.type === "blockMath") return !token.open && token.raw.endsWith("\n");
  const lines = source.split("\n").length - 1;
  return lines >= (apart && token.type !== "table" ? 1 : 2);
}
