// What counts as math in an answer, and what is only money. Pure: no DOM, no libraries.
//
// `$$…$$` and `\[…\]` are displayed, `\(…\)` and `$…$` run in the line. A single dollar is the hard one,
// because "it costs $5 and $6" is not math: it opens only before a visible character, closes only after
// one, never before a digit, and what looks like a price followed by words stays words.

/** @typedef {{raw: string, tex: string, display: boolean, open: boolean}} Math */

const pairs = [
  { open: "$$", close: "$$", display: true },
  { open: "\\[", close: "\\]", display: true },
  { open: "\\(", close: "\\)", display: false },
];

/**
 * The formula that begins at the first character of `source`, if one does.
 * @param {string} source
 * @param {{before?: string, streaming?: boolean}} [options] `before`: the character in front;
 *   `streaming`: more text may come, so an unclosed formula is shown as one being written.
 * @returns {Math | null}
 */
export function mathAt(source, { before = "", streaming = false } = {}) {
  for (const pair of pairs) {
    if (source.startsWith(pair.open)) return between(source, pair, streaming);
  }
  return source[0] === "$" ? dollars(source, before) : null;
}

/**
 * A displayed formula that has its lines to itself.
 * @param {string} source
 * @param {{streaming?: boolean}} [options]
 * @returns {Math | null}
 */
export function blockMathAt(source, { streaming = false } = {}) {
  const indent = /^ {0,3}/.exec(source)?.[0] ?? "";
  const body = source.slice(indent.length);
  const pair = pairs.find((each) => each.display && body.startsWith(each.open));
  const math = pair ? between(body, pair, streaming) : null;
  if (!math) return null;
  const rest = /^[ \t]*(?:\n|$)/.exec(body.slice(math.raw.length));
  return rest ? { ...math, raw: indent + math.raw + rest[0] } : null;
}

/**
 * Where the next formula may begin; -1 if nowhere.
 * @param {string} source
 */
export function mathStart(source) {
  return source.search(/\$|\\[([]/);
}

/**
 * Where the next displayed formula begins a line; -1 if nowhere.
 * @param {string} source
 * @param {{streaming?: boolean}} [options]
 */
export function blockMathStart(source, options) {
  const opener = /\n(?= {0,3}(?:\$\$|\\\[))/g;
  for (let found = opener.exec(source); found; found = opener.exec(source)) {
    if (blockMathAt(source.slice(found.index + 1), options)) return found.index + 1;
  }
  return -1;
}

/**
 * @param {string} source
 * @param {{open: string, close: string, display: boolean}} pair
 * @param {boolean} streaming
 * @returns {Math | null}
 */
function between(source, { open, close, display }, streaming) {
  const end = closing(source, open.length, close);
  const blank = source.search(/\n[ \t]*\n/);
  if (end < 0) {
    const tex = source.slice(open.length);
    const stillWriting = streaming && blank < 0 && tex.trim() !== "";
    return stillWriting ? { raw: source, tex: tex.trim(), display, open: true } : null;
  }
  const tex = source.slice(open.length, end).trim();
  if (!tex || (blank >= 0 && blank < end)) return null;
  return { raw: source.slice(0, end + close.length), tex, display, open: false };
}

/**
 * @param {string} source
 * @param {number} from
 * @param {string} close
 */
function closing(source, from, close) {
  for (let at = from; at < source.length; at += 1) {
    if (source.startsWith(close, at)) return at;
    if (source[at] === "\\") at += 1;
  }
  return -1;
}

/**
 * @param {string} source
 * @param {string} before
 * @returns {Math | null}
 */
function dollars(source, before) {
  if (/[\p{L}\p{N}$\\]/u.test(before) || !/^\$[^\s$]/.test(source)) return null;
  for (let at = 1; at < source.length; at += 1) {
    const char = source[at];
    if (char === "\\") {
      at += 1;
    } else if (char === "\n" || char === "`") {
      return null;
    } else if (char === "$") {
      const tex = source.slice(1, at);
      const closes = !/\s$/.test(tex) && !/^[\d$]/.test(source.slice(at + 1));
      return closes && !isPrice(tex) ? { raw: source.slice(0, at + 1), tex, display: false, open: false } : null;
    }
  }
  return null;
}

/** "5 and a bit", "10 - ", "1,000 dollars, or" between two dollar signs: prices, not formulas. @param {string} tex */
function isPrice(tex) {
  if (!/^\d/.test(tex)) return false;
  if (/[-/,+(–—]$/.test(tex)) return true;
  return /\s\p{L}{2,}|\p{L}{3,}/u.test(tex) && !/[\\^_={}]/.test(tex);
}
