// Where whoever writes for the library has cards and questions made, looks through them, and publishes them.
import { changeStudy, deleteStudy, makeStudy } from "../../net/study.js";
import { lines, studyKinds } from "../../study.js";
import { kindName } from "../../task.js";
import { explain } from "../../words.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { askForm } from "../form.js";
import { taskProgress } from "../progress.js";
import { toast } from "../toast.js";
import { attempt, button, panel, row } from "./parts.js";

/** @typedef {import("../../study.js").StudyKind} StudyKind */
/** @typedef {import("../../study.js").StudySet} StudySet */
/** @typedef {import("../../net/library.js").WholeContent} WholeContent */
/** @typedef {{content: WholeContent, signal: AbortSignal, again: () => Promise<void>}} Desk */

/** @param {Desk} desk @param {StudySet[]} sets */
export function studyDesk(desk, sets) {
  const kinds = /** @type {StudyKind[]} */ (Object.keys(studyKinds));
  return panel("To practise with", h("p", { class: "hint" }, "The AI makes them of the text. Students see what you publish."),
    ...kinds.map((kind) => part(desk, kind, sets.find((set) => set.kind === kind))));
}

/** @param {Desk} desk @param {StudyKind} kind @param {StudySet | undefined} set */
function part(desk, kind, set) {
  const place = h("div", { class: "part" });
  const making = button(set ? "Make them anew" : studyKinds[kind].make, async () => {
    if (!set || (await replaces(set))) await make(desk, kind, place, making);
  });
  place.append(...(set ? drawn(desk, set, making) : [making]));
  return place;
}

/** What was changed by hand is not lost without a question. @param {StudySet} set */
function replaces(set) {
  const words = h("p", {}, "The new ones take the place of this draft, with all that you have changed in it.");
  return ask({ title: `Make the ${studyKinds[set.kind].name.toLowerCase()} anew?`, body: [words], confirm: "Make them anew" });
}

/** @param {Desk} desk @param {StudyKind} kind @param {HTMLElement} place @param {HTMLButtonElement} making */
async function make({ content, signal, again }, kind, place, making) {
  making.disabled = true;
  try {
    const task = await makeStudy(content.id, kind);
    const ended = (/** @type {import("../../task.js").Task} */ last) => {
      if (last.status === "failed") making.disabled = false;
      else again();
    };
    place.querySelector(".task-progress")?.remove();
    place.append(taskProgress(task, { label: kindName(kind), signal, ended }));
  } catch (problem) {
    making.disabled = false;
    toast(explain(problem));
  }
}

/** @param {Desk} desk @param {StudySet} set @param {HTMLButtonElement} making */
function drawn(desk, set, making) {
  const { content, again } = desk;
  const published = set.state === "published";
  const { name, one } = studyKinds[set.kind];
  const put = async (/** @type {object} */ change, /** @type {string} */ done) => {
    if (await attempt(() => changeStudy(content.id, set.kind, { id: set.id, state: set.state, items: set.items, ...change }), done)) await again();
  };
  const gone = async () => {
    const sure = await ask({ title: `Delete the ${name.toLowerCase()}?`, body: [h("p", {}, "They can be made anew, though not the same.")], confirm: "Delete", danger: true });
    if (sure && (await attempt(() => deleteStudy(content.id, set.kind), "Deleted"))) await again();
  };
  const rows = set.items.map((item, at) => {
    const rest = set.items.filter((_, other) => other !== at);
    const change = (/** @type {object} */ next) => changeStudy(content.id, set.kind, { id: set.id, state: set.state, items: set.items.with(at, next) });
    return row({
      title: item.front ?? item.question,
      below: [item.back ?? item.answer],
      acts: [
        button("Edit", async () => (await edit(set.kind, item, change)) && again(), "plain", `Edit ${one} ${at + 1}`),
        rest.length > 0 && button("Remove", () => put({ items: rest }, "Removed"), "plain", `Remove ${one} ${at + 1}`),
      ],
    });
  });
  return [
    h("p", { class: "row-title" }, h("span", {}, name), h("span", { class: "tag" }, published ? "Published" : "Draft"),
      set.of_version < content.version && h("span", { class: "tag" }, "Of an older version")),
    h("details", { open: !published }, h("summary", {}, `${set.items.length} in all`), h("ul", { class: "rows", "aria-label": name }, ...rows)),
    h("div", { class: "row-acts" },
      published ? button("Take back", () => put({ state: "draft" }, "Students don't see them any more.")) : button("Publish", () => put({ state: "published" }, "Published"), "primary"),
      !published && making, button("Delete", gone, "plain danger", `Delete the ${name.toLowerCase()}`)),
  ];
}

/** @param {StudyKind} kind @param {any} item @param {(next: object) => Promise<any>} change */
function edit(kind, item, change) {
  const long = { type: /** @type {const} */ ("textarea"), longest: 2000 };
  const fields = kind === "flash_cards"
    ? [{ name: "front", label: "Front", value: item.front, ...long, longest: 500 }, { name: "back", label: "Back", value: item.back, ...long }]
    : [
      { name: "question", label: "Question", value: item.question, ...long },
      { name: "choices", label: "Choices", value: (item.choices ?? []).join("\n"), ...long, longest: 4000, optional: true, hint: "One a line, the answer among them." },
      { name: "answer", label: "Answer", value: item.answer, ...long },
      { name: "explanation", label: "Explanation", value: item.explanation ?? "", ...long, optional: true },
    ];
  return askForm({
    title: `Edit this ${studyKinds[kind].one}`, fields, confirm: "Save",
    act: async ({ choices, explanation, ...words }) => {
      const more = kind === "flash_cards" ? {} : { ...(lines(choices).length && { choices: lines(choices) }), ...(explanation.trim() && { explanation }) };
      await change({ ...words, ...more });
    },
  });
}
