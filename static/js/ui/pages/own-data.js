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

/** @typedef {{of: "student" | "class", what: string, per: string, used: number, limit: number, resets_at: string}} Meter */

/** Where there are no limits there is nothing to count against. @param {{limits: Meter[]}} found @returns {Meter[]} */
export function hasLimits({ limits }) {
  if (!limits.length) throw new Problem(404, "no_quota");
  return limits;
}

/** @type {Record<string, string>} */
const usageWords = { messages: "questions", tokens: "words from the AI tutor", day: "today", month: "this month" };

/** @param {Meter[]} found */
export function used(found) {
  return found.map(({ of, what, per, used: count, limit, resets_at: resets }) => {
    const whose = of === "class" ? "Your whole class" : "You";
    const words = `${whose}, ${[what, per].map((each) => usageWords[each] ?? each).join(" ")}`;
    const again = new Date(resets).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    return h("div", { class: "meter" },
      h("p", {}, `${words}: ${count.toLocaleString()} of ${limit.toLocaleString()}`),
      h("meter", { min: 0, max: limit, value: Math.min(count, limit), "aria-label": words }),
      h("p", { class: "hint" }, `Starts again on ${again}.`),
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
    act: async ({ password }) => {
      await deleteMe(password).catch((problem) => {
        throw problem.code === "invalid_credentials" ? new Problem(422, "wrong_password", { errors: [{ pointer: "/password", message: "" }] }) : problem;
      });
    },
  });
  if (done) left();
}
