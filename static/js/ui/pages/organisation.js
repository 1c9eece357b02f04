// The school itself: its name, and the rules that it sets.
import { changePolicy, organisation, policy, renameOrganisation, signEverybodyOut } from "../../net/school.js";
import { explain } from "../../words.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { form } from "../form.js";
import { toast } from "../toast.js";
import { button, loaded, panel } from "./parts.js";

/** @param {import("../page-screen.js").PageScreen} frame @returns {Node[]} */
export function organisationPage({ parts: { signOut } }) {
  return [
    panel("Your school", loaded(organisation, ({ name }) => [naming(name)])),
    panel("Rules", loaded(policy, (found) => [rules(found)])),
    panel("Sign-ins", h("p", { class: "hint" }, "When a password may be in the wrong hands and you do not know whose."), button("Sign everybody out", () => everybodyOut(signOut), "danger")),
  ];
}

/** Whoever presses it is signed out as well. @param {() => void} signOut */
async function everybodyOut(signOut) {
  const question = h("p", {}, "Everybody at your school is signed out on every device, you too. They sign in again with their passwords; nothing that they wrote is lost.");
  if (!(await ask({ title: "Sign everybody out?", body: [question], confirm: "Sign everybody out", danger: true }))) return;
  try {
    await signEverybodyOut();
    signOut();
  } catch (problem) {
    toast(explain(problem));
  }
}

/** @param {string} name */
function naming(name) {
  return form({
    fields: [{ name: "name", label: "Name", value: name, longest: 120 }],
    confirm: "Save the name",
    act: async (values) => {
      await renameOrganisation(values.name);
      toast("Saved");
    },
  });
}

/** Of whom a yes is needed. @type {[string, string][]} */
const whose = [["all", "Every student"], ["13", "Students under 13"], ["16", "Students under 16"], ["18", "Students under 18"]];

/** @param {import("../../net/school.js").Policy} found */
function rules(found) {
  return form({
    fields: [
      { name: "consent_required", label: "Students need a yes from their parents or from the school", type: "checkbox", checked: found.consent_required, hint: "Without it they cannot write to the AI tutor." },
      { name: "consent_below", label: "Which students need it", type: "select", value: String(found.consent_below ?? "all"), options: whose, hint: "Students whose age you have not set count as younger. You set it under People." },
      { name: "consent_version", label: "Version of the rules that parents read", value: found.consent_version, longest: 40, hint: "For example 2026-09. A new version asks for a new yes." },
      { name: "show_watchers", label: "Students see when a tutor is reading along", type: "checkbox", checked: found.show_watchers },
    ],
    confirm: "Save the rules",
    act: async ({ consent_required: required, consent_below: below, consent_version: version, show_watchers: watchers }) => {
      await changePolicy({
        consent_required: required === "yes",
        consent_below: below === "all" ? null : Number(below),
        consent_version: version,
        show_watchers: watchers === "yes",
      });
      toast("Saved");
    },
  });
}
