// One's own account: who one is, how one signs in, where one is signed in, and what is kept.
import { profile, saveProfile } from "../../net/api.js";
import { changeEmail, changePassword, consent, endOtherSignIns, endSignIn, signIns, usage } from "../../net/own.js";
import { loadAccount } from "../account-menu.js";
import { h } from "../dom.js";
import { askForm, emailField, form, newPassword, ownPassword } from "../form.js";
import { toast } from "../toast.js";
import { dayOf, when } from "../when.js";
import { languages } from "./languages.js";
import { hasLimits, permission, used, yourData } from "./own-data.js";
import { attempt, button, loaded, panel, row } from "./parts.js";

/** @typedef {import("../page-screen.js").PageScreen} Frame */

/** @param {Frame} frame @returns {Node[]} */
export function settingsPage({ parts: { signOut, left } }) {
  const counted = async () => hasLimits(await usage());
  return [
    panel("About you", loaded(profile, (found) => [aboutYou(found)])),
    panel("How you sign in", loaded(profile, (found, again) => [signingIn(found, again)])),
    panel("Where you are signed in", loaded(signIns, (found, again) => devices(found, again, signOut))),
    panel("Who can read what you write", loaded(consent, permission, { absent: ({ status }) => status === 404 })),
    panel("What you have used", loaded(counted, used, { absent: ({ status }) => status === 404 })),
    panel("Your data", yourData(left)),
  ];
}

/** @param {any} found */
function aboutYou({ display_name: name, locale, grade }) {
  return form({
    fields: [
      { name: "display_name", label: "What should we call you?", value: name, autocomplete: "nickname", longest: 80, optional: true },
      { name: "locale", label: "Your language", type: "select", value: locale, options: languages(locale) },
      { name: "grade", label: "Your year at school", value: grade ?? "", longest: 40, optional: true, hint: "For example 5, or Year 7." },
    ],
    confirm: "Save",
    act: async (values) => {
      await saveProfile({ ...values, grade: values.grade || null });
      await loadAccount();
      toast("Saved");
    },
  });
}

/** @param {any} found @param {() => Promise<void>} again */
function signingIn({ email }, again) {
  return h("ul", { class: "rows", "aria-label": "How you sign in" },
    row({ title: "Email", below: [email], acts: [button("Change", () => newEmail(again), "plain", "Change your email")] }),
    row({ title: "Password", below: ["Only you should know it."], acts: [button("Change", otherPassword, "plain", "Change your password")] }),
  );
}

/** @param {() => Promise<void>} again */
async function newEmail(again) {
  const done = await askForm({
    title: "Change your email",
    intro: [h("p", {}, "Everywhere else you are signed in, you will be signed out.")],
    fields: [{ ...emailField, name: "new_email", label: "New email", autocomplete: "email" }, ownPassword],
    confirm: "Change",
    act: async ({ password, new_email: email }) => void (await changeEmail(password, email)),
  });
  if (!done) return;
  toast("From now on you sign in with your new email.");
  await Promise.all([loadAccount(), again()]);
}

async function otherPassword() {
  const done = await askForm({
    title: "Change your password",
    intro: [h("p", {}, "Everywhere else you are signed in, you will be signed out.")],
    fields: [{ ...ownPassword, name: "current_password", label: "Your password now" }, { ...newPassword, name: "new_password", label: "New password" }],
    confirm: "Change",
    act: ({ current_password: current, new_password: wanted }) => changePassword(current, wanted),
  });
  if (done) toast("Your new password works from now on.");
}

/** @param {import("../../net/own.js").SignIn[]} found @param {() => Promise<void>} again @param {() => void} signOut */
function devices(found, again, signOut) {
  const newestFirst = [...found].sort((a, b) => Number(b.current) - Number(a.current) || b.last_used_at.localeCompare(a.last_used_at));
  const rows = newestFirst.map(({ id, label, current, last_used_at: usedAt, created_at: since }) => {
    const name = label || "A browser";
    const end = () => attempt(() => endSignIn(id), "Signed out there").then(again);
    return row({
      title: name,
      tags: [current && "This device"],
      below: [h("span", {}, "Used ", when(usedAt)), `since ${dayOf(since)}`],
      acts: [current ? button("Sign out", signOut, "plain", "Sign out of this device") : button("Sign out", end, "plain", `Sign out of ${name}`)],
    });
  });
  return [h("ul", { class: "rows", "aria-label": "Devices" }, ...rows), found.length > 1 && button("Sign out everywhere else", () => endOthers(again))];
}

/** @param {() => Promise<void>} again */
async function endOthers(again) {
  const done = await askForm({
    title: "Sign out everywhere else?",
    intro: [h("p", {}, "You stay signed in here. Do this if you used a computer that others use too.")],
    fields: [ownPassword],
    confirm: "Sign out elsewhere",
    act: ({ password }) => endOtherSignIns(password),
  });
  if (!done) return;
  toast("You are only signed in here now.");
  await again();
}
