// The first screen: sign in, or sign up.
import { signIn, signUp } from "../net/api.js";
import { explain } from "../words.js";
import { byId, say, show } from "./dom.js";

const fields = ["name", "email", "password"];
let creating = false;

/** @param {() => void} entered called once someone is signed in */
export function startWelcome(entered) {
  byId("switch").addEventListener("click", () => choose(!creating));
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
  if (!shown) return byId("sign").reset();
  document.title = "Sign in · fynq";
  choose(false);
  complain(note);
}

/** @param {boolean} toCreate */
function choose(toCreate) {
  creating = toCreate;
  const title = creating ? "Create an account" : "Sign in";
  say(byId("sign-title"), title);
  say(byId("sign-submit"), creating ? "Create account" : title);
  say(byId("switch-text"), creating ? "Have an account already?" : "New here?");
  say(byId("switch"), creating ? "Sign in" : "Create an account");
  show(byId("name-field"), creating);
  show(byId("password-hint"), creating);
  byId("password").autocomplete = creating ? "new-password" : "current-password";
  complain("");
  for (const name of fields) blame(name, "");
  byId(creating ? "name" : "email").focus();
}

function reveal() {
  const shown = byId("password").type === "password";
  byId("password").type = shown ? "text" : "password";
  byId("reveal").setAttribute("aria-pressed", String(shown));
  say(byId("reveal"), shown ? "Hide" : "Show");
}

/** @param {() => void} entered */
async function submit(entered) {
  const form = {
    name: byId("name").value.trim(),
    email: byId("email").value.trim(),
    password: byId("password").value,
    keep: byId("keep").checked,
  };
  if (!plausible(form)) return;
  const button = byId("sign-submit");
  button.disabled = true;
  complain("");
  try {
    await (creating ? signUp(form) : signIn(form));
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
  const short = creating && password.length < 8;
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
    const name = last === "display_name" ? "name" : last;
    if (!fields.includes(name)) continue;
    blame(name, message);
    if (!told) byId(name).focus();
    told = true;
  }
  if (!told) complain(explain(problem));
}

/** @param {string} text */
function complain(text) {
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
