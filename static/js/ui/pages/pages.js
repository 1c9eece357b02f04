// Every page by the name of its screen.
import { account } from "../../net/identity.js";
import { auditPage } from "./audit.js";
import { classPage } from "./class.js";
import { classesPage, schoolClasses } from "./classes.js";
import { libraryPage } from "./library.js";
import { organisationPage } from "./organisation.js";
import { readingPage } from "./reading.js";
import { settingsPage } from "./settings.js";
import { tasksPage } from "./tasks.js";
import { usersPage } from "./users.js";
import { writingPage } from "./writing.js";

/** @typedef {import("../page-screen.js").PageScreen} Frame */

const admin = { users: usersPage, classes: schoolClasses, school: organisationPage, tasks: tasksPage, audit: auditPage };

/** @type {Record<string, (place: any, frame: Frame) => Node[]>} */
export const pages = {
  settings: (_, frame) => settingsPage(frame),
  classes: (place, frame) => (place.id ? classPage(place.id, frame) : classesPage(account()?.user.role ?? "student", place.code)),
  library: ({ id, edits }, frame) => (edits ? writingPage(id, frame) : id ? readingPage(id, frame) : libraryPage(frame)),
  admin: ({ tab }, frame) => admin[/** @type {keyof typeof admin} */ (tab)](frame),
};
