// Languages by their own names.
const tags = [
  "en", "ar", "bn", "cs", "da", "de", "el", "es", "fa", "fi", "fr", "he", "hi", "hu", "id", "it", "ja", "ko", "nl", "no", "pl", "pt",
  "ro", "ru", "so", "sv", "sw", "ta", "tr", "uk", "ur", "vi", "zh",
];

/** @param {string} [also] one that the list may not have @returns {[string, string][]} */
export function languages(also) {
  return [...new Set([...tags, also || "en"])].map((tag) => [tag, nameOf(tag)]);
}

/** @param {string} tag */
function nameOf(tag) {
  try {
    const name = new Intl.DisplayNames([tag], { type: "language" }).of(tag) ?? tag;
    return name[0].toLocaleUpperCase(tag) + name.slice(1);
  } catch {
    return tag;
  }
}
