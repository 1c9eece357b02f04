// The text of one message on the page. Text is handed in as it grows; at most once a frame what is new is
// read and drawn. Blocks that are finished are never touched again.
import { draw } from "./draw.js";
import { syntax } from "./libraries.js";
import { MarkdownStream } from "./stream.js";

/** @typedef {import("./tree.js").Node} TreeNode */

export class Answer {
  element = document.createElement("div");
  #text = "";
  #read = 0;
  #over = false;
  /** @type {MarkdownStream | null} */
  #stream = null;
  #finished = 0;
  /** @type {TreeNode[]} */
  #open = [];

  constructor() {
    this.element.className = "answer plain";
    this.element.dir = "auto";
    if (syntax.now()) this.#becomeRich();
    else syntax.load().then((found) => found && this.#becomeRich());
  }

  /** @param {string} text the whole text so far @param {boolean} over whether that is all */
  show(text, over) {
    if (text === this.#text && over === this.#over) return;
    if (!text.startsWith(this.#text)) this.#startAnew();
    if (this.#over && (!over || text !== this.#text)) this.#startAnew();
    this.#text = text;
    this.#over = over;
    this.#render();
  }

  #becomeRich() {
    const found = syntax.now();
    if (!found) return;
    this.#stream = new MarkdownStream(found);
    this.element.className = "answer";
    this.element.removeAttribute("dir");
    this.#clear();
    this.#render();
  }

  #startAnew() {
    const found = syntax.now();
    if (this.#stream && found) this.#stream = new MarkdownStream(found);
    this.#clear();
  }

  #clear() {
    this.element.replaceChildren();
    this.#read = 0;
    this.#finished = 0;
    this.#open = [];
  }

  #render() {
    const fresh = this.#text.slice(this.#read);
    this.#read = this.#text.length;
    if (!this.#stream) {
      if (fresh) this.element.append(fresh);
      return;
    }
    if (fresh) this.#place(this.#stream.push(fresh));
    if (this.#over) this.#place({ finished: this.#stream.end(), open: [] });
  }

  /** @param {{finished: TreeNode[], open: TreeNode[]}} blocks */
  #place({ finished, open }) {
    draw(this.element, this.#open, [...finished, ...open], this.#finished);
    this.#finished += finished.length;
    this.#open = open;
  }
}
