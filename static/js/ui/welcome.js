// The first screen: sign in, sign up, or find the way back after a forgotten password.
import { signIn, signUp } from "../net/api.js";
import { readPlace } from "../places.js";
import { explain, explainField } from "../words.js";
import { byId, say, show } from "./dom.js";
import { showForgot } from "./forgot.js";

/** @typedef {"sign-in" | "sign-up" | "forgot"} Mode */

const fields = ["name", "email", "password", "code"];
/** @type {Record<string, string>} what the server calls them */
const pointers = { display_name: "name", join_code: "code" };
/** @type {Mode} */
let mode = "sign-in";

/** @param {() => void} entered called once someone is signed in */
export function startWelcome(entered) {
  byId("switch").addEventListener("click", () => go(mode === "sign-up" ? "sign-in" : "sign-up"));
  byId("to-forgot").addEventListener("click", () => go("forgot"));
  byId("reveal").addEventListener("click", reveal);
  byId("sign").addEventListener("submit", (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    submit(entered);
  });
  for (const name of fields) byId(name).addEventListener("input", () => blame(name, ""));
}

/** @param {boolean} shown @param {string} [note] why someone is here again */
export function showWelcome(shown, note = "") {
  show(byId("welcome"), shown);
  byId("sign").reset();
  byId("forgot").replaceChildren();
  if (!shown) return;
  document.title = "Sign in · fynq";
  followAddress();
  complain(note);
}

/** The address may ask for more than the sign-in: an invitation to a class is one to make an account. */
export function followAddress() {
  const place = readPlace(location.hash);
  if (place.screen === "classes" && place.code) {
    byId("code").value = place.code;
    choose("sign-up");
  } else {
    choose(place.screen === "forgot" || place.screen === "sign-up" ? place.screen : "sign-in");
  }
}

/** At once, since somebody may be typing already; the address follows, so that "back" leads back. @param {Mode} wanted */
function go(wanted) {
  const { screen } = readPlace(location.hash);
  const ours = !location.hash || screen === "forgot" || screen === "sign-up";
  if (ours) history.pushState(null, "", wanted === "sign-in" ? location.pathname : `#${wanted}`);
  choose(wanted);
  /** @type {Record<Mode, string>} */
  const first = { "sign-in": "#email", "sign-up": "#name", forgot: "#forgot input" };
  /** @type {HTMLElement | null} */ (document.querySelector(first[wanted]))?.focus();
}

/** @param {Mode} wanted */
function choose(wanted) {
  mode = wanted;
  const creating = mode === "sign-up";
  const title = creating ? "Create an account" : "Sign in";
  show(byId("sign"), mode !== "forgot");
  show(byId("forgot"), mode === "forgot");
  if (mode === "forgot") showForgot({ email: byId("email").value.trim(), back: () => go("sign-in"), done: welcomeBack });
  else byId("forgot").replaceChildren();
  say(byId("sign-title"), title);
  say(byId("sign-submit"), creating ? "Create account" : title);
  say(byId("switch-text"), creating ? "Have an account already?" : "New here?");
  say(byId("switch"), creating ? "Sign in" : "Create an account");
  for (const id of ["name-field", "code-field", "password-hint"]) show(byId(id), creating);
  show(byId("forgot-way"), !creating);
  byId("password").autocomplete = creating ? "new-password" : "current-password";
  complain("");
  for (const name of fields) blame(name, "");
}

/** @param {string} email whose password is a new one now */
function welcomeBack(email) {
  go("sign-in");
  byId("email").value = email;
  byId("password").focus();
  complain("Your new password is saved. Please sign in with it.", "notice");
}

function reveal() {
  const shown = byId("password").type === "password";
  byId("password").type = shown ? "text" : "password";
  byId("reveal").setAttribute("aria-pressed", String(shown));
  say(byId("reveal"), shown ? "Hide" : "Show");
}

/** @param {() => void} entered */
async function submit(entered) {
  const creating = mode === "sign-up";
  const form = {
    name: byId("name").value.trim(),
    email: byId("email").value.trim(),
    password: byId("password").value,
    code: byId("code").value.trim(),
    keep: byId("keep").checked,
  };
  if (!plausible(form)) return;
  const button = byId("sign-submit");
  button.disabled = true;
  complain("");
  try {
    await (creating ? signUp(form) : signIn(form));
    // Whoever signed up with the code of an invitation has followed it.
    if (creating && form.code) history.replaceState(null, "", location.pathname);
    entered();
  } catch (problem) {
    refuse(/** @type {any} */ (problem));
  } finally {
    button.disabled = false;
  }
}

/** What can be said without asking the server. @param {{email: string, password: string}} form */
function plausible({ email, password }) {
  blame("email", /^\S+@\S+$/.test(email) ? "" : "Please write your email address.");
  const short = mode === "sign-up" && password.length < 8;
  blame("password", !password ? "Please write your password." : short ? "Please use at least 8 characters." : "");
  const wrong = fields.find((name) => byId(name).getAttribute("aria-invalid") === "true");
  if (wrong) byId(wrong).focus();
  return !wrong;
}

/** @param {any} problem */
function refuse(problem) {
  let told = false;
  for (const { pointer, message } of problem.errors ?? []) {
    const last = String(pointer).split("/").at(-1) ?? "";
    const name = pointers[last] ?? last;
    if (!fields.includes(name)) continue;
    blame(name, explainField(message, problem.code));
    if (!told) byId(name).focus();
    told = true;
  }
  if (!told) complain(explain(problem));
}

/** @param {string} text @param {"problem" | "notice"} [look] */
function complain(text, look = "problem") {
  byId("sign-problem").className = look;
  say(byId("sign-problem"), text);
  show(byId("sign-problem"), text !== "");
}

/** @param {string} name @param {string} text */
function blame(name, text) {
  const place = byId(`${name}-problem`);
  say(place, text);
  show(place, text !== "");
  if (text) byId(name).setAttribute("aria-invalid", "true");
  else byId(name).removeAttribute("aria-invalid");
}
