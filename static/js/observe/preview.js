// The last words of a session as a tile shows them: without the marks of Markdown and TeX, which may begin
// before them or end after them and so cannot be parsed.

/** @type {[RegExp, string][]} */
const marks = [
  [/\\(?:text|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}/g, "$1"],
  [/\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}/g, "$1/$2"],
  [/\\sqrt\s*\{([^{}]*)\}/g, "√$1"],
  [/\\(?:times|cdot)(?![a-z])/gi, "·"],
  [/\\(?:left|right|quad|,|;|!|\[|\]|\(|\))/g, ""],
  [/!?\[([^\][]*)\]\([^()\s]*\)/g, "$1"],
  [/^[ \t]*(?:#{1,6}|>|[-*+])[ \t]+/gm, ""],
  [/```\w*/g, ""],
  [/\*\*|__|~~|`|\$/g, ""],
  [/(^|[\s(])\*(?=\S)|(?<=\S)\*(?=[\s).,;:!?]|$)/g, "$1"],
];

/** @param {string} text */
export function preview(text) {
  return marks.reduce((said, [mark, instead]) => said.replace(mark, instead), text);
}
