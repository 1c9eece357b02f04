// Draws the tree into the page, changing only what is different. Nothing here takes a string as markup.
import { drawMath, highlight } from "./enrich.js";
import { codeBlock } from "./code-block.js";

/** @typedef {import("./tree.js").Node} TreeNode */

/**
 * Makes the children of `parent` from `offset` on, which show `before`, show `after`.
 * @param {Element} parent
 * @param {TreeNode[]} before
 * @param {TreeNode[]} after
 * @param {number} [offset]
 */
export function draw(parent, before, after, offset = 0) {
  for (let at = 0; at < after.length; at += 1) {
    if (at >= before.length) parent.append(create(after[at]));
    else update(parent.childNodes[offset + at], before[at], after[at]);
  }
  for (let extra = before.length - after.length; extra > 0; extra -= 1) {
    parent.childNodes[offset + after.length].remove();
  }
}

/** @param {TreeNode} node @returns {Node} */
function create(node) {
  if (typeof node === "string") return document.createTextNode(node);
  if (node.kind === "code") {
    const figure = codeBlock(node.language, node.text);
    if (node.closed) highlight(figure, node.language);
    return figure;
  }
  if (node.kind === "math") {
    const span = document.createElement(node.block ? "div" : "span");
    span.className = node.display ? "math display" : "math";
    span.textContent = node.open ? node.tex : node.raw;
    if (node.open) span.classList.add("open");
    else drawMath(span, node.tex, node.display);
    return span;
  }
  const element = document.createElement(node.tag);
  for (const [name, value] of Object.entries(node.attributes)) element.setAttribute(name, value);
  for (const child of node.children) element.append(create(child));
  return element;
}

/** @param {ChildNode} shown @param {TreeNode} before @param {TreeNode} after */
function update(shown, before, after) {
  if (typeof before === "string" && typeof after === "string") return updateText(/** @type {Text} */ (shown), before, after);
  if (typeof before === "object" && typeof after === "object") {
    if (before.kind === "code" && after.kind === "code" && before.language === after.language && !before.closed) {
      const figure = /** @type {HTMLElement} */ (shown);
      updateText(/** @type {Text} */ (figure.querySelector("code")?.firstChild), before.text, after.text);
      if (after.closed) highlight(figure, after.language);
      return;
    }
    if (before.kind !== "element" && JSON.stringify(before) === JSON.stringify(after)) return;
    if (before.kind === "element" && after.kind === "element" && sameTag(before, after)) {
      return draw(/** @type {Element} */ (shown), before.children, after.children);
    }
  }
  shown.replaceWith(create(after));
}

/** @param {Text} shown @param {string} before @param {string} after */
function updateText(shown, before, after) {
  if (before === after) return;
  if (after.startsWith(before)) shown.appendData(after.slice(before.length));
  else shown.data = after;
}

/** @param {import("./tree.js").ElementNode} a @param {import("./tree.js").ElementNode} b */
function sameTag(a, b) {
  return a.tag === b.tag && JSON.stringify(a.attributes) === JSON.stringify(b.attributes);
}
