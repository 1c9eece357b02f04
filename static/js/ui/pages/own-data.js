// What is kept about somebody: who may read it, how much they have used, a copy of it, and its end.
import { Problem } from "../../net/problem.js";
import { deleteMe, exportData } from "../../net/own.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { askForm, ownPassword } from "../form.js";
import { dayOf } from "../when.js";
import { attempt, button, download, row } from "./parts.js";

/** @param {import("../../net/own.js").Consent} found */
export function permission({ required, state, by, at, version }) {
  const whom = by === "guardian" ? "your parents" : "your school";
  const day = at ? ` on ${dayOf(at)}` : "";
  const missing = required ? "Your school still needs a yes from your parents. Please ask at school." : "Your school does not ask for a yes from your parents here.";
  const words = {
    given: `A yes from ${whom} was written down${day}${version ? ` (rules ${version})` : ""}.`,
    withdrawn: `The yes from ${whom} was taken back${day}.`,
    unknown: missing,
  };
  return [
    h("p", {}, "Your tutors and the admins of your school can read your conversations. Your classmates cannot."),
    h("p", { class: required && state !== "given" ? "notice" : "hint" }, words[state] ?? missing),
  ];
}

/** @typedef {{what: string, period: string, used: number, limit: number, resets_at?: string}} Meter */

/** Where there are no limits there is nothing to count against. @param {any} found @returns {Meter[]} */
export function hasLimits(found) {
  const all = Array.isArray(found) ? found : (found.items ?? found.quotas ?? []);
  const limited = all.filter((/** @type {Meter} */ each) => each.limit);
  if (!limited.length) throw new Problem(404, "no_quota");
  return limited;
}

/** @type {Record<string, string>} */
const usageWords = { messages: "Questions", tokens: "Words from the AI tutor", day: "today", month: "this month" };

/** @param {Meter[]} found */
export function used(found) {
  return found.map(({ what, period, used: count, limit, resets_at: resets }) => {
    const words = [what, period].map((each) => usageWords[each] ?? each).join(" ");
    return h("div", { class: "meter" },
      h("p", {}, `${words}: ${count.toLocaleString()} of ${limit.toLocaleString()}`),
      h("meter", { min: 0, max: limit, value: Math.min(count, limit), "aria-label": words }),
      resets && h("p", { class: "hint" }, `Starts again on ${dayOf(resets)}.`),
    );
  });
}

/** @param {() => void} left called when the account is gone */
export function yourData(left) {
  const take = () => attempt(async () => download(await exportData(), "fynq-my-data.json"), "Your data is being saved.");
  return h("ul", { class: "rows", "aria-label": "Your data" },
    row({ title: "A copy of everything", below: ["Your conversations and what we know about you, in one file."], acts: [button("Download", take, "plain", "Download your data")] }),
    row({ title: "Delete your account", below: ["All your conversations will be gone for good."], acts: [button("Delete", () => erase(left), "plain danger", "Delete your account")] }),
  );
}

/** @param {() => void} left */
async function erase(left) {
  const warning = h("p", {}, "All your conversations will be gone, also for your tutors. Nobody can bring them back.");
  if (!(await ask({ title: "Delete your account?", body: [warning], confirm: "Go on", danger: true }))) return;
  const done = await askForm({
    title: "Delete your account for good",
    fields: [ownPassword],
    confirm: "Delete everything",
    danger: true,
    act: ({ password }) => deleteMe(password),
  });
  if (done) left();
}
