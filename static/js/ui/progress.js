// How far something has come: a bar with its number, and one that follows a task of the server by itself.
import { followTask } from "../net/tasks.js";
import { failure, percent } from "../task.js";
import { explain } from "../words.js";
import { h, say, show } from "./dom.js";

/** @typedef {import("../task.js").Task} Task */

/**
 * The number is for eyes: a screen reader has it from the bar.
 * @param {string} label what it is that goes on
 */
export function progressBar(label) {
  const bar = h("progress", { max: "100", "aria-label": label });
  const number = h("span", { class: "progress-number", "aria-hidden": "true" });
  return {
    element: h("div", { class: "progress" }, bar, number),
    /** @param {number | null} part from 0 to 1; `null`: nobody knows */
    set(part) {
      if (part === null) bar.removeAttribute("value");
      else bar.value = percent(part);
      say(number, part === null ? "" : `${percent(part)} %`);
    },
  };
}

/**
 * A bar that follows a task until it is over, until its page is left, or until it is taken off the page.
 * @param {{id: string, progress?: number}} task
 * @param {object} how
 * @param {string} how.label for instance "Making flash cards"
 * @param {AbortSignal} how.signal of the page: `frame.signal`
 * @param {(task: Task) => string} [how.words] below the bar, for instance "Reading 37 of 100 pages"
 * @param {(task: Task) => void} [how.ended] it succeeded, or failed
 * @returns {HTMLElement}
 */
export function taskProgress(task, { label, signal, words = (now) => (now.status === "queued" ? "Waiting for its turn" : label), ended }) {
  const bar = progressBar(label);
  const line = h("p", { class: "hint" }, label);
  const problem = h("p", { class: "field-problem", role: "alert", hidden: true });
  const element = h("div", { class: "task-progress" }, line, bar.element, problem);
  bar.set(task.progress ?? 0);
  const leave = new AbortController();
  let placed = false;
  const told = (/** @type {Task} */ now) => {
    // Drawn anew meanwhile, by somebody who follows it themselves.
    if (placed && !element.isConnected) leave.abort();
    placed ||= element.isConnected;
    bar.set(now.progress);
    say(line, words(now));
  };
  const complain = (/** @type {string} */ text) => {
    say(problem, text);
    show(problem, true);
    show(bar.element, false);
    show(line, false);
  };
  followTask(task.id, told, AbortSignal.any([signal, leave.signal])).then(
    (last) => {
      if (last.status === "failed") complain(failure(last));
      ended?.(last);
    },
    (refusal) => refusal?.name !== "AbortError" && complain(explain(refusal)),
  );
  return element;
}
