// The page's beginning: who is here, which screen they see, and the keys that work everywhere.
import { wipeOutbox } from "./chat/outbox-store.js";
import { syntax } from "./markdown/libraries.js";
import { about, signOut } from "./net/api.js";
import { account, forgetIfBrowserWasClosed, onIdentityChange } from "./net/identity.js";
import { loadAccount, showKeys, startAccountMenu } from "./ui/account-menu.js";
import { ChatScreen } from "./ui/chat-screen.js";
import { byId, icon, show } from "./ui/dom.js";
import { openDrawer } from "./ui/sidebar.js";
import { toast } from "./ui/toast.js";
import { showWelcome, startWelcome } from "./ui/welcome.js";
import { explain } from "./words.js";

forgetIfBrowserWasClosed();

const screen = new ChatScreen();
let shownTo = "";
let leaving = false;

startWelcome(arrive);
startAccountMenu({ signOut: leave });
onIdentityChange(arrive);
addEventListener("hashchange", () => shownTo && screen.show(place()));
addEventListener("keydown", onKey);
dress();
arrive();

/** Shows the screen for whoever is signed in now; the same person sees no change. */
function arrive() {
  const user = account()?.user.id ?? "";
  const known = document.documentElement.dataset;
  if (user && user === shownTo) return;
  const before = shownTo;
  shownTo = user;
  if (user) known.known = "yes";
  else delete known.known;
  show(byId("chat"), user !== "");
  screen.close();
  screen.sidebar.clear();
  showWelcome(!user, before && !leaving ? "You have been signed out. Please sign in again." : "");
  leaving = false;
  if (user) enter();
}

async function enter() {
  syntax.load();
  loadAccount().then(() => screen.greet());
  const listed = screen.sidebar.load().catch((problem) => toast(explain(problem)));
  if (place()) await Promise.race([listed, new Promise((resolve) => setTimeout(resolve, 400))]);
  if (shownTo) screen.show(place());
}

/** Nothing of a student stays in the browser that they have left. */
async function leave() {
  leaving = true;
  const told = signOut();
  sessionStorage.clear();
  history.replaceState(null, "", location.pathname);
  await Promise.all([wipeOutbox(), told]);
}

/** The conversation that the address names. */
function place() {
  return /^#([\w-]{8,64})$/.exec(location.hash)?.[1] ?? "";
}

async function practice() {
  const { model } = (await about().catch(() => null)) ?? {};
  const line = byId("practice");
  show(line, model?.practice === true);
  if (model?.practice) line.textContent = "Practice model: answers are rehearsed, not intelligent.";
}

function dress() {
  for (const [id, name] of Object.entries({ "drawer-open": "menu", "drawer-close": "close" })) byId(id).append(icon(name));
  byId("new-chat").append(icon("plus"), "New conversation");
  byId("new-chat").addEventListener("click", startNew);
  byId("drawer-open").addEventListener("click", () => openDrawer(true));
  byId("drawer-close").addEventListener("click", () => openDrawer(false));
  byId("veil").addEventListener("click", () => openDrawer(false));
  if (/Mac|iPhone|iPad/.test(navigator.platform)) byId("search-key").textContent = "⌘ K";
  practice();
}

function startNew() {
  screen.go("");
  history.replaceState(null, "", location.pathname);
  screen.composer.focus();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (!shownTo || event.isComposing || document.querySelector("dialog[open]")) return;
  const writing = /^(?:INPUT|TEXTAREA)$/.test(/** @type {HTMLElement} */ (event.target).tagName);
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    openDrawer(true);
    byId("search").select();
  } else if (event.altKey && event.code === "KeyN") {
    startNew();
  } else if (event.key === "Escape") {
    if (byId("drawer").classList.contains("open")) openDrawer(false);
    else if (!screen.composer.cancelEdit()) screen.stop();
  } else if (event.key === "?" && !writing) {
    showKeys();
  } else if (event.key === "End" && !writing) {
    screen.follow.jump();
  } else return;
  event.preventDefault();
}
