// Who is signed in: their name, how the page looks, what the keys do, and the way out.
import { profile } from "../net/api.js";
import { account, rememberProfile } from "../net/identity.js";
import { ask } from "./dialog.js";
import { byId, h, icon, show } from "./dom.js";
import { openMenu } from "./menu.js";

const knownName = () => account()?.user.display_name ?? "";

/** @param {{signOut: () => void}} parts */
export function startAccountMenu({ signOut }) {
  const button = byId("who");
  button.addEventListener("click", () =>
    openMenu(button, "You and this page", [
      { glyph: "gear", label: "Settings", act: () => (location.hash = "settings") },
      { glyph: "moon", label: "Look: as the system", act: () => setTheme(""), checked: theme() === "" },
      { glyph: "moon", label: "Look: light", act: () => setTheme("light"), checked: theme() === "light" },
      { glyph: "moon", label: "Look: dark", act: () => setTheme("dark"), checked: theme() === "dark" },
      { glyph: "keys", label: "Keyboard", act: showKeys },
      { glyph: "out", label: "Sign out", act: signOut },
    ]),
  );
}

export async function loadAccount() {
  draw();
  const found = await profile().catch(() => null);
  if (found) rememberProfile(found);
  draw();
}

function draw() {
  const shown = knownName() || account()?.user.email || "";
  const initial = h("span", { class: "initial", "data-initial": (shown[0] ?? "").toUpperCase() });
  const purpose = h("span", { class: "sr-only" }, ": your account and this page");
  const role = account()?.user.role;
  show(byId("to-school"), role === "admin");
  show(byId("to-observe"), role === "admin" || role === "tutor");
  byId("who").replaceChildren(initial, h("span", { class: "who-name" }, shown), purpose, icon("more"));
}

const theme = () => document.documentElement.dataset.theme ?? "";

/** @param {"" | "light" | "dark"} wanted */
function setTheme(wanted) {
  if (wanted) {
    localStorage.setItem("fynq.theme", wanted);
    document.documentElement.dataset.theme = wanted;
  } else {
    localStorage.removeItem("fynq.theme");
    delete document.documentElement.dataset.theme;
  }
}

export function showKeys() {
  const mod = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘" : "Ctrl";
  const keys = [
    ["Enter", "Send"], ["Shift + Enter", "New line"], ["Esc", "Stop the answer"], ["↑ in an empty box", "Change your last question"],
    [`${mod} + K`, "Search your conversations"], ["Alt + N", "New conversation"], ["End", "To the newest text"], ["?", "This list"],
  ];
  const rows = keys.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]);
  ask({ title: "Keyboard", body: [h("dl", { class: "keys" }, ...rows)] });
}
