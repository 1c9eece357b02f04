// What an admin can do with somebody's account. What cannot be taken back asks first.
import { exportData } from "../../net/own.js";
import { changeUser, deleteUser, policy, recordConsent, resetCode, signOutUser } from "../../net/school.js";
import { explain } from "../../words.js";
import { copyButton } from "../copy.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { askForm } from "../form.js";
import { toast } from "../toast.js";
import { attempt, download } from "./parts.js";

/** @typedef {import("../../net/school.js").Person} Person */
/** @typedef {() => Promise<void>} Again */

/** @type {[string, string][]} */
export const roles = [["student", "Student"], ["tutor", "Tutor"], ["admin", "Admin"]];

/** @type {[string, string][]} */
const ages = [["unknown", "We do not know"], ["under_13", "Under 13"], ["13_to_15", "13 to 15"], ["16_to_17", "16 or 17"], ["adult", "18 or older"]];

/** How old somebody is; only the school says it. @param {string} value @returns {import("../form.js").Field} */
export const ageField = (value) => ({ name: "age_band", label: "Age", type: "select", value, options: ages, hint: "The rules of your school may need a yes from the parents of younger students." });

/** @param {string} role */
export const roleName = (role) => roles.find(([name]) => name === role)?.[1] ?? role;

/** @param {Person} person @param {string} name @param {Again} again */
export async function changeRole(person, name, again) {
  const hint = "Tutors read the conversations of their classes, admins those of the whole school.";
  const done = await askForm({
    title: `What is ${name}?`,
    fields: [{ name: "role", label: "Role", type: "select", value: person.role, options: roles, hint }],
    confirm: "Save",
    act: async (values) => void (await changeUser(person.id, values)),
  });
  if (done) await again();
}

/** @param {Person} person @param {string} name @param {Again} again */
export async function changeAge(person, name, again) {
  const done = await askForm({
    title: `How old is ${name}?`,
    fields: [ageField(person.age_band)],
    confirm: "Save",
    act: async (values) => void (await changeUser(person.id, values)),
  });
  if (done) await again();
}

/** @param {Person} person @param {string} name @param {Again} again */
export async function turn({ id, disabled }, name, again) {
  const question = h("p", {}, `${name} is signed out everywhere and cannot sign in until you switch the account on again.`);
  if (!disabled && !(await ask({ title: `Switch off ${name}?`, body: [question], confirm: "Switch off", danger: true }))) return;
  await attempt(() => changeUser(id, { disabled: !disabled }), disabled ? "Switched on" : "Switched off");
  await again();
}

/** @param {Person} person @param {string} name */
export const signOutEverywhere = ({ id }, name) => attempt(() => signOutUser(id), `${name} is signed out everywhere.`);

/** @param {Person} person */
export const copyData = ({ id }) => attempt(async () => download(await exportData(id), `fynq-${id}.json`), "The file is being saved.");

/** @param {Person} person @param {string} name */
export async function resetCodeFor({ id }, name) {
  const question = h("p", {}, "With this code they choose a new password. Give it to them in person: whoever has it can take over the account.");
  if (!(await ask({ title: `A reset code for ${name}?`, body: [question], confirm: "Make the code" }))) return;
  try {
    await showCode(`Reset code for ${name}`, await resetCode(id));
  } catch (problem) {
    toast(explain(problem));
  }
}

/** @param {string} title @param {{code: string, expires_at: string}} made */
export async function showCode(title, { code, expires_at: ends }) {
  const until = new Date(ends).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  await ask({
    title,
    body: [
      h("div", { class: "code-line" }, h("p", { class: "code", translate: "no" }, code), copyButton("Copy the code", () => code)),
      h("p", {}, `It works once, until ${until}. It is shown only now.`),
      h("p", { class: "hint" }, "They press “Forgot your password?” where they sign in."),
    ],
  });
}

/** @param {Person} person @param {string} name */
export async function writeConsent({ id }, name) {
  const version = await policy().then((found) => found.consent_version, () => "");
  const done = await askForm({
    title: `A yes for ${name}`,
    fields: [
      { name: "state", label: "What was said", type: "select", value: "given", options: [["given", "Yes"], ["withdrawn", "The yes is taken back"]] },
      { name: "by", label: "Who said it", type: "select", value: "guardian", options: [["guardian", "A parent or guardian"], ["school", "The school"]] },
      { name: "name", label: "Their name", longest: 120 },
      { name: "version", label: "Which rules they read", value: version, longest: 40 },
    ],
    confirm: "Write it down",
    act: async (values) => void (await recordConsent(id, values)),
  });
  if (done) toast("Written down");
}

/** @param {Person} person @param {string} name @param {Again} again */
export async function erase({ id, email }, name, again) {
  const wrong = (/** @type {string} */ text) => (text.toLowerCase() === email.toLowerCase() ? "" : "This is another address.");
  const done = await askForm({
    title: `Delete ${name} for good?`,
    intro: [h("p", {}, "The account and all its conversations will be gone. Nobody can bring them back.")],
    fields: [{ name: "sure", label: `Type ${email} to go on`, longest: 254, wrong }],
    confirm: "Delete",
    danger: true,
    act: () => deleteUser(id),
  });
  if (!done) return;
  toast("Deleted");
  await again();
}
