// Turns tokens into a small tree of plain objects that the page can draw. Everything that may ever appear
// in an answer is named here: a tag that this file does not write cannot come out of a model's text.

/** @typedef {import("./syntax.js").Token} Token */
/** @typedef {{kind: "element", tag: string, attributes: Record<string, string>, children: Node[]}} ElementNode */
/** @typedef {{kind: "code", text: string, language: string, closed: boolean}} CodeNode */
/** @typedef {{kind: "math", tex: string, raw: string, display: boolean, open: boolean, block: boolean}} MathNode */
/** @typedef {string | ElementNode | CodeNode | MathNode} Node */
/** @typedef {{level: number}} Outline the depth of the last heading, so that none is skipped */

/**
 * One node for each block.
 * @param {Token[]} tokens
 * @param {Outline} outline changed as headings pass
 * @returns {Node[]}
 */
export function toTree(tokens, outline) {
  return tokens.flatMap((token) => block(token, outline));
}

/** @param {Token} token @param {Outline} outline @returns {Node[]} */
function block(token, outline) {
  switch (token.type) {
    case "space":
      return [];
    case "paragraph":
      return [element("p", inline(token.tokens), { dir: "auto" })];
    case "text":
      return inline(token.tokens ?? [token]);
    case "heading":
      outline.level = Math.min(token.depth + 2, outline.level + 1, 6);
      return [element(`h${outline.level}`, inline(token.tokens), { dir: "auto" })];
    case "blockquote":
      return [element("blockquote", toTree(token.tokens, outline), { dir: "auto" })];
    case "hr":
      return [element("hr", [])];
    case "list":
      return [list(token, outline)];
    case "table":
      return [table(token)];
    case "code":
      return [{ kind: "code", text: token.text, language: language(token.lang), closed: isClosed(token.raw) }];
    case "blockMath":
      return [math(token, true)];
    default:
      return token.raw ? [element("p", [token.raw], { dir: "auto" })] : [];
  }
}

/** @param {Token} token @param {Outline} outline */
function list(token, outline) {
  /** @type {Record<string, string>} */
  const start = token.ordered && token.start !== 1 ? { start: String(Number(token.start)) } : {};
  const items = token.items.map((/** @type {Token} */ item) => {
    const children = item.tokens
      .filter((/** @type {Token} */ each) => each.type !== "checkbox")
      .flatMap((/** @type {Token} */ each) => block(each, outline));
    return element("li", item.task ? [item.checked ? "☑ " : "☐ ", ...children] : children, { dir: "auto" });
  });
  return element(token.ordered ? "ol" : "ul", items, start);
}

/** @param {Token} token */
function table(token) {
  const cell = (/** @type {Token} */ each) =>
    element(each.header ? "th" : "td", inline(each.tokens), {
      dir: "auto",
      ...(each.header ? { scope: "col" } : {}),
      ...(each.align ? { class: `align-${each.align}` } : {}),
    });
  const row = (/** @type {Token[]} */ cells) => element("tr", cells.map(cell));
  const head = element("thead", [row(token.header)]);
  const body = element("tbody", token.rows.map(row));
  const whole = element("table", token.rows.length ? [head, body] : [head]);
  return element("div", [whole], { class: "wide", tabindex: "0", role: "group", "aria-label": "Table" });
}

/** @param {Token[]} [tokens] @returns {Node[]} */
function inline(tokens = []) {
  /** @type {Node[]} */
  const nodes = [];
  for (const node of tokens.flatMap(inlineNode)) {
    const last = nodes.length - 1;
    if (typeof node === "string" && typeof nodes[last] === "string") nodes[last] += node;
    else nodes.push(node);
  }
  return nodes;
}

/** @param {Token} token @returns {Node[]} */
function inlineNode(token) {
  switch (token.type) {
    case "text":
      return token.tokens ? inline(token.tokens) : [entities(token.text)];
    case "escape":
      return [token.text];
    case "strong":
    case "em":
    case "del":
      return [element(token.type, inline(token.tokens))];
    case "codespan":
      return [element("code", [token.text], { dir: "ltr" })];
    case "br":
      return [element("br", [])];
    case "inlineTag":
      return [element(token.tag, inline(token.tokens))];
    case "link":
      return link(token);
    case "image":
      return token.text ? [element("em", [entities(token.text)], { class: "picture" })] : [];
    case "math":
      return [math(token, false)];
    default:
      return [token.raw ?? ""];
  }
}

/** Something in the library, whole or from a page of one of its files on. */
const id = "[\\da-f]{8}(?:-[\\da-f]{4}){3}-[\\da-f]{12}";
const inLibrary = new RegExp(`^#/library/(${id}(?:\\?page=\\d{1,5}(?:&file=${id})?)?)$`);

/**
 * A link says where it goes. Anything that is not a plain address of the web or of a mailbox, or something in the
 * library, is only its text.
 * @param {Token} token @returns {Node[]}
 */
function link(token) {
  const children = inline(token.tokens);
  const inside = inLibrary.exec(token.href)?.[1];
  if (inside) return [element("a", children, { href: `#library/${inside}` })];
  const url = address(token.href);
  if (!url) return children;
  const place = url.protocol === "mailto:" ? url.pathname : url.host;
  const shown = String(token.text).toLowerCase().includes(place.toLowerCase());
  const attributes = { href: url.href, target: "_blank", rel: "noopener noreferrer nofollow" };
  return [element("a", shown ? children : [...children, element("small", [` (${place})`])], attributes)];
}

/** @param {string} href */
function address(href) {
  if (!/^(?:https?:\/\/|mailto:)/i.test(href)) return null;
  try {
    const url = new URL(href);
    return url.username || url.password ? null : url;
  } catch {
    return null;
  }
}

/** @param {Token} token @param {boolean} block @returns {MathNode} */
function math({ tex, raw, display, open }, block) {
  return { kind: "math", tex, raw: raw.trim(), display, open, block };
}

/** @param {string} tag @param {Node[]} children @param {Record<string, string>} [attributes] @returns {ElementNode} */
function element(tag, children, attributes = {}) {
  return { kind: "element", tag, attributes, children };
}

/** The first word after the fence, if it looks like the name of a language. @param {string} [info] */
function language(info) {
  return /^[\w+#.-]{1,24}/.exec(info ?? "")?.[0] ?? "";
}

/** Whether a fenced block has met its closing fence; an indented block never shows an end of its own. @param {string} raw */
function isClosed(raw) {
  const fence = /^ {0,3}(`{3,}|~{3,})/.exec(raw)?.[1];
  return fence !== undefined && new RegExp(`\\n {0,3}${fence}[\`~]*[ \\t]*\\n?$`).test(raw);
}

/** @type {Record<string, string>} */
const named = {
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", copy: "©", reg: "®", deg: "°", times: "×", divide: "÷",
  plusmn: "±", minus: "−", hellip: "…", mdash: "—", ndash: "–", rarr: "→", larr: "←", harr: "↔", rArr: "⇒", le: "≤", ge: "≥",
  ne: "≠", asymp: "≈", infin: "∞", pi: "π", alpha: "α", beta: "β", theta: "θ", Delta: "Δ", radic: "√", sum: "∑", middot: "·",
  bull: "•", frac12: "½", frac14: "¼", frac34: "¾", sup2: "²", sup3: "³", euro: "€", pound: "£",
};

/** @param {string} text */
function entities(text) {
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{2,8}));/gi, (whole, decimal, hex, name) => {
    if (name) return Object.hasOwn(named, name) ? named[name] : whole;
    const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    const visible = code >= 0x20 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
    return visible ? String.fromCodePoint(code) : "\ufffd";
  });
}
