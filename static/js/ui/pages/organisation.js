// The school itself: its name, and the rules that it sets.
import { changePolicy, organisation, policy, renameOrganisation } from "../../net/school.js";
import { form } from "../form.js";
import { toast } from "../toast.js";
import { loaded, panel } from "./parts.js";

/** @returns {Node[]} */
export function organisationPage() {
  return [panel("Your school", loaded(organisation, ({ name }) => [naming(name)])), panel("Rules", loaded(policy, (found) => [rules(found)]))];
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
