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

/** @param {HTMLElement} figure @param {string} language */
export async function highlight(figure, language) {
  if (!language) return;
  const library = highlighter.now() ?? (await highlighter.load());
  const code = figure.querySelector("code");
  if (!library || !code || !library.getLanguage(language)) return;
  const text = code.textContent ?? "";
  if (text.length > 50_000) return;
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
