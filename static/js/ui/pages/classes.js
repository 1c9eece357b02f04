// The classes one belongs to: students join with a code, tutors make them.
import { Problem } from "../../net/problem.js";
import { createClass, joinClass, listClasses } from "../../net/school.js";
import { h } from "../dom.js";
import { askForm, form } from "../form.js";
import { toast } from "../toast.js";
import { button, pagedList, panel, row } from "./parts.js";

/** @typedef {import("../../net/school.js").Class} Class */

/** @param {string} role @param {string} code of a link that somebody followed @returns {Node[]} */
export function classesPage(role, code) {
  const teaches = role !== "student";
  const none = teaches ? "You have no class yet. Make one, and give its code to your students." : "You are in no class yet.";
  const list = pagedList({ load: listClasses, row: classRow, label: "Your classes", none });
  const mine = panel("Your classes", list, teaches && button("New class", makeClass, "primary"));
  return teaches && !code ? [mine] : [joining(code), mine];
}

/** All classes of the organisation, for its admins. @returns {Node[]} */
export function schoolClasses() {
  const list = pagedList({ load: listClasses, row: classRow, label: "Classes", none: "Your school has no classes yet." });
  return [panel("All classes", list, button("New class", makeClass, "primary"))];
}

/** @param {string} code */
function joining(code) {
  const words = h("p", { class: "hint" }, "Your tutor has a code for you. The tutors of the class can read your conversations.");
  return panel("Join a class",
    form({
      intro: [words],
      fields: [{ name: "code", label: "Class code", value: code, longest: 64 }],
      confirm: "Join",
      act: async (values) => {
        const joined = await joinClass(values.code).catch((problem) => {
          throw problem.status === 404 ? new Problem(404, "no_such_class", { errors: [{ pointer: "/code", message: "" }] }) : problem;
        });
        toast(`You are in “${joined.name}” now.`);
        location.hash = `classes/${joined.id}`;
      },
    }),
  );
}

/** @param {Class} found */
function classRow({ id, name, teaching, students, tutors }) {
  const link = h("a", { href: `#classes/${id}`, class: "row-link" }, name);
  return row({ title: link, tags: [teaching && "You teach this"], below: [...(students === undefined ? [] : [many(students, "student")]), many(tutors, "tutor")] });
}

async function makeClass() {
  await askForm({
    title: "New class",
    fields: [{ name: "name", label: "Name", longest: 80, hint: "For example: Maths 7b" }],
    confirm: "Make it",
    act: async ({ name }) => {
      location.hash = `classes/${(await createClass(name)).id}`;
    },
  });
}

/** @param {number} count @param {string} word */
const many = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
