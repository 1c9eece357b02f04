// Where one is on the page: the part of the address after the `#`, read and written. A conversation is named
// by its id alone, as it always was; the other screens have names.

/** @typedef {"users" | "classes" | "school" | "tasks" | "audit"} AdminTab */
/**
 * @typedef {{screen: "chat", id: string} | {screen: "settings"} | {screen: "classes", id: string, code: string}
 *   | {screen: "library", id: string, edits: boolean} | {screen: "admin", tab: AdminTab} | {screen: "forgot"} | {screen: "sign-up", code: string}
 *   | ConsolePlace} Place
 */
/** What is for tutors and admins; `id`: of a session, a session and a class. @typedef {{screen: "observe" | "replay" | "digest", id: string}} ConsolePlace */

export const adminTabs = /** @type {AdminTab[]} */ (["users", "classes", "school", "tasks", "audit"]);

/** @param {string} hash @returns {Place} */
export function readPlace(hash) {
  const [name, rest = "", third = ""] = decode(hash.replace(/^#\/?/, "").split("?", 1)[0]).split("/", 3);
  switch (name) {
    case "settings":
    case "forgot":
      return { screen: name };
    case "sign-up":
      return { screen: name, code: "" };
    case "join":
      return { screen: "classes", id: "", code: rest.slice(0, 64) };
    case "classes":
      return { screen: name, id: /^[\w-]{8,64}$/.test(rest) ? rest : "", code: "" };
    case "library":
      // `new` has no id yet.
      if (rest === "new") return { screen: name, id: "", edits: true };
      return /^[\w-]{8,64}$/.test(rest) ? { screen: name, id: rest, edits: third === "edit" } : { screen: name, id: "", edits: false };
    case "observe":
    case "replay":
    case "digest":
      return { screen: name, id: /^[\w-]{8,64}$/.test(rest) ? rest : "" };
    case "admin":
      return { screen: name, tab: adminTabs.find((tab) => tab === rest) ?? "users" };
    default:
      return { screen: "chat", id: !rest && /^[\w-]{8,64}$/.test(name) ? name : "" };
  }
}

/** What else an address asks for: `#library?subject=Maths` says `{subject: "Maths"}`. @param {string} hash @returns {Record<string, string>} */
export const askedIn = (hash) => Object.fromEntries(new URLSearchParams(hash.split("?").slice(1).join("?")));

/**
 * Writes it into the address of the page that is shown, so that a reload and the way back find it again.
 * @param {string} place @param {Record<string, string>} asked what is empty is left out
 */
export function keepAsked(place, asked) {
  const words = new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== "")).toString();
  history.replaceState(null, "", `#${place}${words && `?${words}`}`);
}

/** The address that lets someone join a class. @param {string} code */
export const joinAddress = (code) => `${location.origin}${location.pathname}#join/${encodeURIComponent(code)}`;

/** An address may be broken by whoever sent it on. @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
