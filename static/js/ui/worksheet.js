// The problems on a photographed worksheet: listed by the AI while one watches, and taken into the composer.
import { Answer } from "../markdown/answer.js";
import { askForWorksheet, worksheet } from "../net/study.js";
import { askAbout } from "../study.js";
import { explain } from "../words.js";
import { h } from "./dom.js";
import { taskProgress } from "./progress.js";

/** @typedef {import("../net/study.js").Worksheet} Worksheet */

/**
 * @param {string} file
 * @param {(text: string) => void} write puts words into the composer
 */
export function listProblems(file, write) {
  const left = new AbortController();
  const place = h("div", { class: "part" }, h("p", { class: "hint" }, "Looking…"));
  const close = h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Close");
  const dialog = h("dialog", { class: "worksheet", "aria-labelledby": "worksheet-title" },
    h("h2", { id: "worksheet-title" }, "Problems on this sheet"), place, h("div", { class: "dialog-acts" }, close));
  const chosen = (/** @type {string} */ text) => {
    dialog.close();
    write(text);
  };
  const fail = (/** @type {any} */ problem) => place.replaceChildren(h("p", { class: "problem", role: "alert" }, explain(problem)));
  const draw = (/** @type {Worksheet} */ found) => place.replaceChildren(...list(found, chosen, () => begin(true)));
  const begin = async (again = false) => {
    try {
      const told = await askForWorksheet(file, again);
      if ("problems" in told) return draw(told);
      const ended = async (/** @type {import("../task.js").Task} */ last) => {
        if (last.status === "failed") return place.append(h("button", { type: "button", class: "plain", onclick: () => begin(again) }, "Try again"));
        const found = await worksheet(file).catch(fail);
        if (found) draw(found);
      };
      place.replaceChildren(taskProgress(told, { label: "Reading the worksheet", signal: left.signal, ended }));
    } catch (problem) {
      fail(problem);
    }
  };
  dialog.addEventListener("close", () => {
    left.abort();
    dialog.remove();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
  begin();
}

/** @param {Worksheet} found @param {(text: string) => void} chosen @param {() => void} again */
function list({ problems }, chosen, again) {
  const once = h("button", { type: "button", class: "quiet", onclick: again }, "Read it once more");
  if (!problems.length) return [h("p", {}, "The AI found no problems on this picture. A sharper or straighter photo may help."), once];
  const rows = problems.map((problem, at) => {
    const text = new Answer();
    text.show(problem.text, true);
    const help = h("button", { type: "button", class: "plain", "aria-label": `Help me with problem ${problem.label || at + 1}`, onclick: () => chosen(askAbout(problem, at)) }, "Help me with this");
    return h("li", {}, h("div", { class: "row-text" }, h("p", { class: "row-title" }, `Problem ${problem.label || at + 1}`), text.element), h("div", { class: "row-acts" }, help));
  });
  return [h("p", { class: "hint" }, "An AI read them: look at the sheet where something seems wrong."), h("ul", { class: "rows", "aria-label": "Problems" }, ...rows), once];
}
