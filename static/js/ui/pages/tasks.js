// The school's tasks: what fynq does in the background, how far it is, why something failed, and what an admin
// can do about it. The list is looked at again by itself; rows change where they stand and none jumps in.
import { cancelTask, getTask, listTasks, requeueTask } from "../../net/tasks.js";
import { askedIn, keepAsked } from "../../places.js";
import { failure, isCalledOff, isOver, kindName, kinds, lookedAgain, standing } from "../../task.js";
import { explain } from "../../words.js";
import { h, say, show } from "../dom.js";
import { progressBar } from "../progress.js";
import { when } from "../when.js";
import { attempt, button, panel, select } from "./parts.js";

/** @typedef {import("../../task.js").Task} Task */

const states = /** @type {[string, string][]} */ ([["", "All"], ["running", "Running"], ["queued", "Waiting"], ["failed", "Failed or called off"], ["succeeded", "Done"]]);

/** While something goes on, and while nothing does. */
const [soon, later] = [3000, 15_000];
/** So many that have left the newest are asked for one by one. */
const singles = 8;

/** @param {import("../page-screen.js").PageScreen} frame @returns {Node[]} */
export function tasksPage(frame) {
  const { signal } = frame;
  const asked = askedIn(location.hash);
  const status = select({ label: "Status", options: states, value: asked.status });
  const kind = select({ label: "Kind", options: [["", "All"], ...Object.entries(kinds)], value: asked.kind });
  const place = h("div", { class: "part" });
  let list = new AbortController();
  const draw = () => {
    list.abort();
    list = new AbortController();
    place.replaceChildren(liveList({ status: status.value, kind: kind.value }, AbortSignal.any([signal, list.signal]), draw));
  };
  for (const each of [status, kind]) {
    each.box.addEventListener("change", () => {
      keepAsked("admin/tasks", { status: status.value, kind: kind.value });
      draw();
    });
  }
  draw();
  const tools = h("div", { class: "filters" }, status.element, kind.element);
  return [panel("Work in the background", h("p", { class: "hint" }, "What fynq does without anybody waiting for it. Newest first."), tools, place)];
}

/**
 * @param {{status: string, kind: string}} filter
 * @param {AbortSignal} signal
 * @param {() => void} again draws the list anew
 */
function liveList(filter, signal, again) {
  const list = h("ul", { class: "rows", "aria-label": "Tasks" });
  const news = h("button", { type: "button", class: "plain", hidden: true, onclick: again });
  const stale = h("p", { class: "hint", role: "status" }, "Loading…");
  const more = h("button", { type: "button", class: "plain", hidden: true }, "Show more");
  /** @type {Map<string, ReturnType<typeof taskRow>>} */
  const rows = new Map();
  /** @type {Task[]} */
  let shown = [];
  /** @type {string | null} */
  let cursor = null;
  const changed = (/** @type {Task} */ task) => {
    shown = shown.map((each) => (each.id === task.id ? task : each));
    rows.get(task.id)?.set(task);
  };
  const append = (/** @type {{items: Task[], next_cursor: string | null}} */ page) => {
    const fresh = page.items.filter(({ id }) => !rows.has(id));
    for (const task of fresh) rows.set(task.id, taskRow(task, changed));
    list.append(...fresh.map(({ id }) => /** @type {ReturnType<typeof taskRow>} */ (rows.get(id)).element));
    shown = [...shown, ...fresh];
    cursor = page.next_cursor;
    show(more, cursor !== null);
  };
  more.addEventListener("click", async () => {
    more.disabled = true;
    await attempt(async () => append(await listTasks({ ...filter, cursor })));
    more.disabled = false;
  });
  const look = async () => {
    const { items } = await listTasks(filter);
    const { tasks, news: many, unseen } = lookedAgain(shown, items);
    const single = await Promise.all(unseen.slice(0, singles).map((id) => getTask(id).catch(() => null)));
    if (signal.aborted) return;
    tasks.forEach(changed);
    for (const task of single) if (task) changed(task);
    say(news, many === 1 ? "Show 1 new one" : `Show ${many === items.length ? "what is new" : `${many} new ones`}`);
    show(news, many > 0);
  };
  keepLooking({
    signal,
    first: async () => append(await listTasks(filter)),
    look,
    busy: () => shown.some((task) => !isOver(task)),
    said: (problem) => say(stale, problem ? `Not up to date: ${explain(problem)}` : shown.length ? "" : "There is nothing here."),
  });
  return h("div", { class: "part" }, news, list, stale, more);
}

/**
 * Looks at once and then again and again, as long as the page is there; nobody looks while it is hidden.
 * @param {{signal: AbortSignal, first: () => Promise<void>, look: () => Promise<void>, busy: () => boolean, said: (problem: any) => void}} how
 */
function keepLooking({ signal, first, look, busy, said }) {
  let begun = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const turn = async () => {
    try {
      if (!begun) await first();
      else if (!document.hidden) await look();
      begun = true;
      if (!signal.aborted) said(null);
    } catch (problem) {
      if (!signal.aborted) said(problem);
    }
    if (!signal.aborted) timer = setTimeout(turn, busy() ? soon : later);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  turn();
}

/** One task; it is changed where it stands. @param {Task} first @param {(task: Task) => void} changed */
function taskRow(first, changed) {
  const name = kindName(first.kind);
  const state = h("span", { class: "tag" });
  const times = h("p", { class: "hint" });
  const why = h("p", { class: "task-why" });
  const bar = progressBar(`${name}: how far`);
  const act = (/** @type {(id: string) => Promise<Task>} */ call, /** @type {string} */ done) => async () => {
    await attempt(async () => changed(await call(first.id)), done);
    // What was pressed may be gone.
    if (document.activeElement === document.body) element.focus({ preventScroll: true });
  };
  const cancel = button("Call off", act(cancelTask, "It is called off."), "plain", `Call off: ${name}`);
  const back = button("Put back", act(requeueTask, "It is tried again."), "plain", `Put back: ${name}`);
  const element = h("li", { tabindex: "-1", "data-task": first.id },
    h("div", { class: "row-text" }, h("p", { class: "row-title" }, h("span", {}, name), state), bar.element, why, times),
    h("div", { class: "row-acts" }, cancel, back));
  let drawn = "";
  const set = (/** @type {Task} */ task) => {
    const now = JSON.stringify(task) + standing(task);
    if (now === drawn) return;
    drawn = now;
    element.dataset.status = task.status;
    say(state, standing(task));
    bar.set(task.progress);
    show(bar.element, task.status === "running");
    say(why, isCalledOff(task) ? "" : failure(task));
    show(why, why.textContent !== "");
    times.replaceChildren(...told(task));
    show(cancel, !isOver(task));
    show(back, task.status === "failed");
  };
  set(first);
  return { element, set };
}

/** @param {Task} task @returns {(Node | string)[]} */
function told({ id, created_at: made, started_at: begun, ended_at: ended, attempts }) {
  const took = begun && ended ? `took ${span(Date.parse(ended) - Date.parse(begun))}` : "";
  const tries = attempts > 1 ? `${attempts} attempts` : "";
  const parts = [when(made), took, tries, h("code", { title: id }, `…${id.slice(-6)}`)].filter(Boolean);
  return parts.flatMap((each, index) => (index ? [" · ", each] : [each]));
}

/** @param {number} ms */
function span(ms) {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 1) return "less than a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
