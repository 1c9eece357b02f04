import { h } from "../ui/dom.js";
import { copyButton } from "../ui/copy.js";

/** @type {Record<string, string>} */
const names = {
  js: "JavaScript", javascript: "JavaScript", ts: "TypeScript", typescript: "TypeScript", py: "Python", python: "Python", java: "Java",
  c: "C", cpp: "C++", "c++": "C++", cs: "C#", csharp: "C#", rs: "Rust", rust: "Rust", go: "Go", sh: "Shell", bash: "Shell",
  json: "JSON", html: "HTML", xml: "XML", css: "CSS", sql: "SQL",
};

/** A block of code with the name of its language and a button that copies it. @param {string} language @param {string} text */
export function codeBlock(language, text) {
  const name = names[language.toLowerCase()] ?? language;
  const code = h("code", {});
  // Always one text node to begin with, for text that still grows is added to it.
  code.append(document.createTextNode(text));
  const block = h("pre", { tabindex: "0", role: "group", "aria-label": name ? `Code, ${name}` : "Code", dir: "ltr" }, code);
  const head = h("figcaption", {}, h("span", {}, name || "Code"), copyButton("Copy code", () => code.textContent ?? ""));
  return h("figure", { class: "code" }, head, block);
}
