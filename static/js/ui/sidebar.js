// The list of conversations: by day, searched as one types, each with its own small menu.
import { addPage } from "../chat/sessions.js";
import { deleteSession, listSessions, renameSession } from "../net/api.js";
import { explain } from "../words.js";
import { ask, field } from "./dialog.js";
import { byId, h, icon, show } from "./dom.js";
import { openMenu } from "./menu.js";
import { toast } from "./toast.js";

/** @typedef {import("../chat/sessions.js").Session} Session */

export class Sidebar {
  /** @type {Session[]} */
  sessions = [];
  /** @type {string | null} */
  #more = null;
  #current = "";
  #query = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;
  #asked = 0;
  /** @type {Session[] | null} what the server found for the query */
  #found = null;

  /** @param {{open: (id: string) => void, gone: (id: string) => void, renamed: (id: string, title: string) => void}} parts */
  constructor(parts) {
    this.parts = parts;
    this.list = byId("sessions");
    const search = byId("search");
    search.addEventListener("input", () => this.#search(search.value.trim()));
    search.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "ArrowDown") this.list.querySelector("a")?.focus();
      else if (event.key === "Escape" && search.value) this.#search((search.value = ""));
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    this.list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#arrow(event));
  }

  async load() {
    const page = await listSessions();
    this.sessions = page.items;
    this.#more = page.next_cursor;
    this.draw();
  }

  async #loadMore() {
    const page = await listSessions({ cursor: this.#more ?? "" });
    this.sessions = addPage(this.sessions, page.items);
    this.#more = page.next_cursor;
    this.draw();
  }

  /** @param {Session} session */
  add(session) {
    this.sessions = [session, ...this.sessions.filter((each) => each.id !== session.id)];
    this.draw();
  }

  /** It was spoken in just now, so it stands first. @param {string} id */
  touch(id) {
    const session = this.sessions.find((each) => each.id === id);
    if (session) this.add({ ...session, updated_at: new Date().toISOString() });
  }

  /** @param {string} id */
  choose(id) {
    this.#current = id;
    this.draw();
  }

  /** @param {string} id */
  titleOf(id) {
    return this.sessions.find((session) => session.id === id)?.title || "";
  }

  clear() {
    this.sessions = [];
    this.#more = this.#found = null;
    this.#current = this.#query = byId("search").value = "";
    this.draw();
  }

  /** @param {string} query */
  #search(query) {
    this.#query = query;
    this.#found = null;
    clearTimeout(this.#typing);
    this.draw();
    if (query) this.#typing = setTimeout(() => this.#askServer(query), 250);
  }

  /** What is loaded is searched at once; the server knows the rest. @param {string} query */
  async #askServer(query) {
    const asked = ++this.#asked;
    const page = await listSessions({ q: query }).catch(() => null);
    if (!page || asked !== this.#asked || query !== this.#query) return;
    this.#found = page.items;
    this.draw();
  }

  #shown() {
    if (!this.#query) return this.sessions;
    const wanted = this.#query.toLocaleLowerCase();
    const here = this.sessions.filter((session) => (session.title ?? "").toLocaleLowerCase().includes(wanted));
    const ids = new Set(here.map((session) => session.id));
    return [...here, ...(this.#found ?? []).filter((session) => !ids.has(session.id))];
  }

  draw() {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.session;
    const shown = this.#shown();
    /** @type {Map<string, Session[]>} */
    const groups = new Map();
    for (const session of shown) {
      const name = this.#query ? "Found" : dayName(session.updated_at);
      groups.set(name, [...(groups.get(name) ?? []), session]);
    }
    const sections = [...groups].map(([name, members]) =>
      h("section", {}, h("h2", {}, name), h("ul", {}, ...members.map((session) => this.#row(session)))),
    );
    const none = h("p", { class: "none" }, this.#query ? "Nothing found." : "Your conversations will be listed here.");
    const more = this.#more && !this.#query && h("button", { type: "button", class: "link", onclick: () => this.#loadMore() }, "Show older ones");
    this.list.replaceChildren(...(shown.length ? sections : [none]), ...(more ? [more] : []));
    if (focused) /** @type {HTMLElement | null} */ (this.list.querySelector(`a[data-session="${CSS.escape(focused)}"]`))?.focus();
  }

  /** @param {Session} session */
  #row(session) {
    const title = session.title || "New conversation";
    const current = session.id === this.#current;
    const more = h("button", { type: "button", class: "icon", "aria-label": `More for ${title}`, "aria-haspopup": "menu", "aria-expanded": "false" }, icon("more"));
    more.addEventListener("click", () =>
      openMenu(more, title, [
        { glyph: "edit", label: "Rename", act: () => this.rename(session.id) },
        { glyph: "trash", label: "Delete", act: () => this.#remove(session), danger: true },
      ]),
    );
    const link = h("a", { href: `#${session.id}`, "aria-current": current ? "page" : null, "data-session": session.id, dir: "auto", title }, title);
    link.addEventListener("click", () => this.parts.open(session.id));
    return h("li", {}, link, more);
  }

  /** @param {string} id */
  async rename(id) {
    const answer = await ask({ title: "Rename this conversation", body: [field("Name", "title", this.titleOf(id))], confirm: "Rename" });
    const title = String(answer?.get("title") ?? "").trim();
    if (!title) return;
    try {
      await renameSession(id, title);
      this.sessions = this.sessions.map((session) => (session.id === id ? { ...session, title } : session));
      this.draw();
      this.parts.renamed(id, title);
    } catch (problem) {
      toast(explain(problem));
    }
  }

  /** @param {Session} session */
  async #remove(session) {
    const question = h("p", {}, `“${session.title || "New conversation"}” and all its messages will be gone for good.`);
    if (!(await ask({ title: "Delete this conversation?", body: [question], confirm: "Delete", danger: true }))) return;
    try {
      await deleteSession(session.id);
      this.sessions = this.sessions.filter((each) => each.id !== session.id);
      this.draw();
      this.parts.gone(session.id);
      toast("Deleted");
    } catch (problem) {
      toast(explain(problem));
    }
  }

  /** @param {KeyboardEvent} event */
  #arrow(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const links = /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll("a")]);
    const at = links.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (at < 0) return;
    event.preventDefault();
    const to = at + (event.key === "ArrowDown" ? 1 : -1);
    if (to < 0) byId("search").focus();
    else links[Math.min(to, links.length - 1)].focus();
  }
}

const narrow = matchMedia("(max-width: 54rem)");
narrow.addEventListener("change", () => openDrawer(false));

/** On a phone the list is a drawer over the page; with more room it is always there. @param {boolean} open */
export function openDrawer(open) {
  const drawer = byId("drawer");
  if (drawer.classList.contains("open") === open || (open && !narrow.matches)) return;
  drawer.classList.toggle("open", open);
  show(byId("veil"), open);
  for (const id of ["drawer-open", "page-drawer", "console-drawer"]) byId(id).setAttribute("aria-expanded", String(open));
  for (const id of ["talk", "page", "console"]) byId(id).toggleAttribute("inert", open);
  if (open) byId("drawer-close").focus();
  else if (drawer.contains(document.activeElement)) byId(shownDrawerButton()).focus();
}

function shownDrawerButton() {
  if (!byId("talk").hidden) return "drawer-open";
  return byId("page").hidden ? "console-drawer" : "page-drawer";
}

/** @param {string} time */
function dayName(time) {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const at = Date.parse(time);
  if (!(at < midnight)) return "Today";
  if (at >= midnight - 86_400_000) return "Yesterday";
  return at >= midnight - 6 * 86_400_000 ? "This week" : "Earlier";
}
