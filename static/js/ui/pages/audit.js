// What happened at the school: who did what, when. It can be read and never changed.
import { audit } from "../../net/school.js";
import { h } from "../dom.js";
import { when } from "../when.js";
import { pagedList, panel, row } from "./parts.js";

/** @returns {Node[]} */
export function auditPage() {
  const list = pagedList({ load: audit, row: entryRow, label: "What happened, newest first", none: "Nothing has happened yet." });
  return [panel("What happened", h("p", { class: "hint" }, "Newest first. Nobody can change this list, and nothing that a student wrote is in it."), list)];
}

/** @param {import("../../net/school.js").Entry} entry */
function entryRow({ at, event, actor, subject, address, detail }) {
  const told = Object.entries(detail ?? {}).filter(([, value]) => value !== null && typeof value !== "object");
  const about = subject && h("span", {}, `${plain(subject.kind)} `, h("code", { title: subject.id }, `…${subject.id.slice(-6)}`));
  const below = [when(at), actor ? (actor.name ?? "An account that is gone") : "Nobody signed in", about, address, ...told.map(([name, value]) => `${plain(name)}: ${value}`)];
  return row({ title: sentences[event] ?? plain(event), below: /** @type {(Node | string)[]} */ (below.filter(Boolean)) });
}

/** `role_changed` and `user.role_changed` as words. @param {string} name */
function plain(name) {
  const words = name.replaceAll(/[._]/g, " ");
  return (words[0] ?? "").toUpperCase() + words.slice(1);
}

/** @type {Record<string, string>} */
const sentences = {
  signed_in: "Signed in",
  sign_in_failed: "Could not sign in",
  signed_out: "Signed out",
  sign_ins_ended: "Signed out on other devices",
  signed_out_by_admin: "Signed somebody out everywhere",
  everybody_signed_out: "Signed everybody out",
  token_refused: "A key to the door was refused",
  refresh_reused: "A key was used twice, so that sign-in was ended",
  password_changed: "Changed the password",
  password_reset: "Set a new password with a code",
  email_changed: "Changed the email",
  reset_code_issued: "Made a reset code",
  account_created: "A new account",
  role_changed: "Changed a role",
  age_band_changed: "Changed how old somebody is",
  account_disabled: "Switched an account off",
  account_enabled: "Switched an account on",
  account_deleted: "Deleted an account",
  exported: "Downloaded somebody's data",
  class_created: "Made a class",
  class_deleted: "Deleted a class",
  class_joined: "Somebody came into a class",
  class_left: "Somebody left a class",
  observation_opened: "Began to read along",
  observation_closed: "Stopped reading along",
  conversation_read: "Read a conversation",
  content_created: "Wrote something for the library",
  content_changed: "Changed something in the library",
  content_deleted: "Deleted something from the library",
  study_changed: "Changed cards or questions of the library",
  study_deleted: "Deleted cards or questions of the library",
  consent_given: "Wrote down a yes",
  consent_withdrawn: "Wrote down that a yes was taken back",
  policy_changed: "Changed the school's rules",
  retention: "Old conversations were deleted, as the rules say",
};
