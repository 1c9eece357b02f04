// The page's beginning: who is here, which screen they see, and the keys that work everywhere.
import { wipeOutbox } from "./chat/outbox-store.js";
import { syntax } from "./markdown/libraries.js";
import { about, signOut } from "./net/api.js";
import { account, forget, forgetIfBrowserWasClosed, onIdentityChange } from "./net/identity.js";
import { readPlace } from "./places.js";
import { loadAccount, showKeys, startAccountMenu } from "./ui/account-menu.js";
import { ChatScreen } from "./ui/chat-screen.js";
import { ConsoleScreen } from "./ui/console-screen.js";
import { byId, icon, show } from "./ui/dom.js";
import { PageScreen } from "./ui/page-screen.js";
import { openDrawer } from "./ui/sidebar.js";
import { toast } from "./ui/toast.js";
import { followAddress, showWelcome, startWelcome } from "./ui/welcome.js";
import { explain } from "./words.js";

forgetIfBrowserWasClosed();

const screen = new ChatScreen();
const pages = new PageScreen({ signOut: leave, left: gone });
const desk = new ConsoleScreen();
/** Nobody yet; then whose screen it is, or "" for the sign-in's. @type {string | null} */
let shownTo = null;
let farewell = "You have been signed out. Please sign in again.";

startWelcome(arrive);
startAccountMenu({ signOut: leave });
onIdentityChange(arrive);
addEventListener("hashchange", route);
addEventListener("keydown", onKey);
dress();
arrive();

/** Shows the screen for whoever is signed in now; the same person sees no change. */
function arrive() {
  const user = account()?.user.id ?? "";
  if (user === shownTo) return;
  const known = document.documentElement.dataset;
  const before = shownTo;
  shownTo = user;
  if (user) known.known = "yes";
  else delete known.known;
  if (before || !user) forgetTraces(before ?? "");
  show(byId("chat"), user !== "");
  showWelcome(!user, before ? farewell : "");
  if (!user && before) byId("email").focus();
  if (user) enter();
}

/**
 * Nothing of a student stays in the browser that they have left, whether they went or were sent away: not what
 * waits to go out, no half-written text, and nothing in the page. @param {string} user "": of anybody
 */
function forgetTraces(user) {
  sessionStorage.clear();
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  pages.hide();
  desk.hide();
  screen.close();
  screen.sidebar.clear();
  byId("who").replaceChildren();
  return wipeOutbox(user);
}

async function enter() {
  farewell = "You have been signed out. Please sign in again.";
  syntax.load();
  loadAccount().then(() => screen.greet());
  const listed = screen.sidebar.load().catch((problem) => toast(explain(problem)));
  if (location.hash) await Promise.race([listed, new Promise((resolve) => setTimeout(resolve, 400))]);
  route();
}

/** Goes where the address says: to a conversation, to another page, or while nobody is here to a form. */
function route() {
  if (!shownTo) return followAddress();
  const place = readPlace(location.hash);
  const { screen: name } = place;
  const watching = name === "observe" || name === "replay" || name === "digest";
  const beside = name === "settings" || name === "classes" || name === "library" || name === "admin";
  show(byId("talk"), !beside && !watching);
  byId("skip").textContent = beside || watching ? "Skip to the page" : "Skip to writing";
  for (const [id, where] of Object.entries({ "to-observe": "observe", "to-library": "library", "to-classes": "classes", "to-school": "admin" })) byId(id).toggleAttribute("data-here", name === where);
  if (!beside) pages.hide();
  if (!watching) desk.hide();
  if (beside || watching) {
    screen.close();
    screen.sidebar.choose("");
    openDrawer(false);
    return watching ? desk.show(place) : pages.show(place);
  }
  if (name !== "chat") history.replaceState(null, "", location.pathname);
  return screen.show(name === "chat" ? place.id : "");
}

function leave() {
  farewell = "";
  history.replaceState(null, "", location.pathname);
  return signOut();
}

/** The account is no more, so there is nobody to sign out. */
function gone() {
  farewell = "Your account and everything in it are gone.";
  history.replaceState(null, "", location.pathname);
  forget();
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
  byId("to-observe").prepend(icon("eye"));
  byId("to-library").prepend(icon("book"));
  byId("to-classes").prepend(icon("people"));
  byId("to-school").prepend(icon("school"));
  byId("skip").addEventListener("click", (/** @type {Event} */ event) => {
    event.preventDefault();
    byId(!byId("talk").hidden ? "write" : byId("page").hidden ? "console-title" : "page-title").focus();
  });
  practice();
}

function startNew() {
  screen.go("");
  history.replaceState(null, "", location.pathname);
  screen.composer.focus();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (!shownTo || event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
  const writing = /^(?:INPUT|TEXTAREA|SELECT)$/.test(/** @type {HTMLElement} */ (event.target).tagName);
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
  } else if (event.key === "End" && !writing && !byId("talk").hidden) {
    screen.follow.jump();
  } else return;
  event.preventDefault();
}
