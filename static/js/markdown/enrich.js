// Formulas and colours for code, by libraries that are fetched when the first one is needed. Without them the
// formula's source and the plain code stay as they are.
import { katex, highlighter } from "./libraries.js";

/**
 * @param {HTMLElement} element shows the source until the formula is drawn
 * @param {string} tex
 * @param {boolean} display
 */
export async function drawMath(element, tex, display) {
  const library = katex.now() ?? (await katex.load());
  if (!library) return;
  const source = element.textContent;
  try {
    library.render(tex, element, { displayMode: display, throwOnError: false, trust: false, strict: "ignore", maxExpand: 1000, maxSize: 20 });
    if (display) element.setAttribute("tabindex", "0");
    if (display) element.setAttribute("role", "group");
    if (display) element.setAttribute("aria-label", "Formula");
  } catch {
    element.textContent = source;
  }
}

/**
 * The longest code that gets colours. The highlighter's time may grow with the square of the length, for C# with its
 * cube (16,000 characters that were made for it stop a page for a minute): beyond this, code stays plain.
 * @param {string} name of the language, as the highlighter calls it
 */
export const longestCode = (name) => (name === "C#" ? 2_000 : 8_000);

/** @param {HTMLElement} figure @param {string} language */
export async function highlight(figure, language) {
  if (!language) return;
  const library = highlighter.now() ?? (await highlighter.load());
  const code = figure.querySelector("code");
  const known = library?.getLanguage(language);
  if (!code || !known) return;
  const text = code.textContent ?? "";
  if (text.length > longestCode(known.name)) return;
  // The tree that the highlighter makes before it would print HTML: colours without a string of markup.
  const { root } = library.highlight(text, { language, ignoreIllegals: true })._emitter;
  code.replaceChildren(...root.children.map(span));
}

/** @param {any} node a string, or a scope with children @returns {Node} */
function span(node) {
  if (typeof node === "string") return document.createTextNode(node);
  const element = document.createElement("span");
  if (node.scope) element.className = `hl-${node.scope.split(".")[0].replace(/[^\w-]/g, "")}`;
  element.append(...node.children.map(span));
  return element;
}
