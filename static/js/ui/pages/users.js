// Everybody at the school, for its admins.
import { account } from "../../net/identity.js";
import { changeUser, createUser, listUsers } from "../../net/school.js";
import { h, icon } from "../dom.js";
import { askForm, emailField, newPassword } from "../form.js";
import { openMenu } from "../menu.js";
import { toast } from "../toast.js";
import { dayOf } from "../when.js";
import { button, pagedList, panel, row } from "./parts.js";
import { ageField, changeAge, changeRole, copyData, erase, resetCodeFor, roleName, roles, showCode, signOutEverywhere, turn, writeConsent } from "./user-acts.js";

/** @typedef {import("../../net/school.js").Person} Person */
/** @typedef {() => Promise<void>} Again */

/** @returns {Node[]} */
export function usersPage() {
  const box = h("input", { type: "search", id: "people-search", autocomplete: "off", placeholder: "Name or email", enterkeyhint: "search" });
  const place = h("div", { class: "part" });
  const draw = () => {
    const search = box.value.trim();
    const none = search ? "Nobody found." : "There is nobody here yet.";
    place.replaceChildren(pagedList({ load: (cursor) => listUsers({ search, cursor }), row: personRow, label: "People", none }));
  };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing;
  box.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(draw, 250);
  });
  draw();
  const label = h("label", { class: "sr-only", for: "people-search" }, "Search people");
  const tools = h("div", { class: "tool-line" }, label, box, button("New account", () => make(draw), "primary"));
  return [panel("People at your school", tools, place)];
}

/** @param {Person} person @param {Again} again */
function personRow(person, again) {
  const name = person.display_name || person.email;
  const self = person.id === account()?.user.id;
  const more = h("button", { type: "button", class: "icon", "aria-label": `More for ${name}`, "aria-haspopup": "menu", "aria-expanded": "false" }, icon("more"));
  more.addEventListener("click", () => openMenu(more, name, acts(person, name, self, again)));
  return row({
    title: name,
    tags: [person.role !== "student" && roleName(person.role), person.disabled && "Switched off", self && "You"],
    below: [...(name === person.email ? [] : [person.email]), `since ${dayOf(person.created_at)}`],
    acts: [more],
  });
}

/**
 * An admin does not shut themselves out here: what concerns their own account is among their settings.
 * @param {Person} person @param {string} name @param {boolean} self @param {Again} again @returns {import("../menu.js").Item[]}
 */
function acts(person, name, self, again) {
  const { disabled } = person;
  const named = { glyph: "edit", label: "Rename", act: () => rename(person, again) };
  if (self) return [named];
  return [
    named,
    { glyph: "person", label: "Change role", act: () => changeRole(person, name, again) },
    { glyph: "clock", label: "Change age", act: () => changeAge(person, name, again) },
    { glyph: "key", label: "Make a reset code", act: () => resetCodeFor(person, name) },
    { glyph: "check", label: "Write down a yes", act: () => writeConsent(person, name) },
    { glyph: "down", label: "Download their data", act: () => copyData(person) },
    { glyph: "out", label: "Sign out everywhere", act: () => signOutEverywhere(person, name) },
    { glyph: "power", label: disabled ? "Switch on" : "Switch off", act: () => turn(person, name, again) },
    { glyph: "trash", label: "Delete", act: () => erase(person, name, again), danger: true },
  ];
}

/** @param {() => void} draw */
async function make(draw) {
  /** @type {import("../../net/school.js").MadePerson | undefined} */
  let made;
  const done = await askForm({
    title: "New account",
    fields: [
      { ...emailField, name: "email", label: "Email" },
      { name: "display_name", label: "Name", longest: 80, optional: true },
      { ...newPassword, name: "password", label: "First password", optional: true, hint: "Left empty, you get a code for them, and they choose a password themselves." },
      { name: "role", label: "Role", type: "select", value: "student", options: roles },
      ageField("unknown"),
    ],
    confirm: "Make it",
    act: async ({ display_name: name, password, ...others }) => {
      made = await createUser({ ...others, ...(name && { display_name: name }), ...(password && { password }) });
    },
  });
  if (!done || !made) return;
  toast("The account is there.");
  draw();
  if (made.reset_code) await showCode(`First code for ${made.display_name || made.email}`, made.reset_code);
}

/** @param {Person} person @param {Again} again */
async function rename(person, again) {
  const done = await askForm({
    title: "Rename",
    fields: [{ name: "display_name", label: "Name", value: person.display_name, longest: 80 }],
    confirm: "Save",
    act: async (values) => void (await changeUser(person.id, values)),
  });
  if (done) await again();
}
