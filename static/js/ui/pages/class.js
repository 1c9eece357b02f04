// One class: its join code and its members for those who run it, its tutors for those who are in it.
import { account } from "../../net/identity.js";
import { Problem } from "../../net/problem.js";
import { addMember, deleteClass, getClass, listMembers, listUsers, newJoinCode, removeMember, renameClass } from "../../net/school.js";
import { joinAddress } from "../../places.js";
import { copyButton } from "../copy.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { askForm } from "../form.js";
import { toast } from "../toast.js";
import { attempt, button, loaded, pagedList, panel, row } from "./parts.js";

/** @typedef {import("../../net/school.js").Class} Class */
/** @typedef {import("../../net/school.js").Member} Member */
/** @typedef {() => Promise<void>} Again */

/** @param {string} id @param {import("../page-screen.js").PageScreen} frame @returns {Node[]} */
export function classPage(id, frame) {
  const whole = loaded(() => getClass(id), (found, again) => {
    frame.entitle(found.name);
    const runs = found.join_code !== undefined && found.join_code !== null;
    return [runs && joinCode(found, again), people(found, runs, again), runs && theDay(found), runs && changing(found, again)];
  });
  whole.classList.add("stack");
  return [h("p", {}, h("a", { href: "#classes", class: "link" }, "All your classes")), whole];
}

/** @param {Class} found @param {Again} again */
function joinCode(found, again) {
  const code = found.join_code ?? "";
  const another = async () => {
    const question = h("p", {}, "The old code stops working at once. Whoever is in the class stays in it.");
    if (!(await ask({ title: "Make a new code?", body: [question], confirm: "New code" }))) return;
    await attempt(() => newJoinCode(found.id), "This is the new code.");
    await again();
  };
  return panel("Join code",
    h("p", {}, "Students type this code when they sign up, or on their page “Classes”."),
    h("div", { class: "code-line" },
      h("p", { class: "code", translate: "no" }, code),
      copyButton("Copy the code", () => code),
      copyButton("Copy a link", () => joinAddress(code), "Copy a link"),
    ),
    h("div", { class: "row-acts" }, button("New code", another)),
  );
}

/** @param {Class} found */
function theDay(found) {
  const words = h("p", { class: "hint" }, "Who was helped, who needed somebody and had nobody, and which signals were right.");
  return panel("The day", words, h("p", {}, h("a", { href: `#digest/${found.id}`, class: "link" }, "Look at today")));
}

/** @param {Class} found @param {boolean} runs @param {Again} changed */
function people(found, runs, changed) {
  const list = pagedList({
    load: (cursor) => listMembers(found.id, cursor),
    row: (member, again) => memberRow(found, member, runs, again),
    label: "People in this class",
    none: "Nobody is in this class yet.",
  });
  const admin = account()?.user.role === "admin";
  return panel("People", list, admin && button("Add somebody", () => addSomebody(found, changed)));
}

/** @param {Class} found @param {Member} member @param {boolean} runs @param {Again} again */
function memberRow(found, member, runs, again) {
  const name = member.display_name || member.email || "Somebody";
  const self = member.user_id === account()?.user.id;
  const label = self ? "Leave this class" : `Remove ${name}`;
  return row({
    title: name,
    tags: [member.as === "tutor" && "Tutor", self && "You"],
    below: member.email && member.email !== name ? [member.email] : [],
    acts: [(runs || self) && button(self ? "Leave" : "Remove", () => remove(found, member, name, again), "plain", label)],
  });
}

/** @param {Class} found @param {Member} member @param {string} name @param {Again} again */
async function remove(found, member, name, again) {
  const self = member.user_id === account()?.user.id;
  const theirs = `${name} keeps their conversations, but the tutors of this class cannot read them any more.`;
  const body = [h("p", {}, self ? "You can come back with a code." : theirs)];
  const title = self ? "Leave this class?" : `Remove ${name}?`;
  if (!(await ask({ title, body, confirm: self ? "Leave" : "Remove", danger: true }))) return;
  const done = await attempt(() => removeMember(found.id, member.user_id), self ? "You have left the class." : "Removed");
  if (done && self) location.hash = "classes";
  else await again();
}

/** Only an admin can look people up; a tutor's students come by the code. @param {Class} found @param {Again} changed */
async function addSomebody(found, changed) {
  const done = await askForm({
    title: "Add somebody",
    fields: [
      { name: "who", label: "Their email", type: "email", longest: 254 },
      { name: "as", label: "As", type: "select", value: "student", options: [["student", "Student"], ["tutor", "Tutor"]] },
    ],
    confirm: "Add",
    act: async (values) => {
      const wanted = values.who.toLowerCase();
      const person = (await listUsers({ search: wanted })).items.find((each) => each.email.toLowerCase() === wanted);
      if (!person) throw new Problem(404, "nobody_there", { errors: [{ pointer: "/who", message: "" }] });
      await addMember(found.id, person.id, values.as);
      toast(`${person.display_name || person.email} is in the class now.`);
    },
  });
  if (done) await changed();
}

/** @param {Class} found @param {Again} again */
function changing(found, again) {
  const rename = async () => {
    const done = await askForm({
      title: "Rename this class",
      fields: [{ name: "name", label: "Name", value: found.name, longest: 80 }],
      confirm: "Rename",
      act: async ({ name }) => void (await renameClass(found.id, name)),
    });
    if (done) await again();
  };
  const erase = async () => {
    const question = h("p", {}, `“${found.name}” will be gone. Its students keep their accounts and conversations.`);
    if (!(await ask({ title: "Delete this class?", body: [question], confirm: "Delete", danger: true }))) return;
    if (await attempt(() => deleteClass(found.id), "Deleted")) location.hash = "classes";
  };
  return panel("This class", h("div", { class: "row-acts" }, button("Rename", rename, "plain", "Rename the class"), button("Delete", erase, "plain danger", "Delete the class")));
}
