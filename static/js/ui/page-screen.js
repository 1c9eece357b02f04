// The screens beside the conversation: one's own settings, classes, and what an admin needs. What they are made
// of is fetched when one of them is first opened, so that a student who only asks never waits for it.
import { account } from "../net/identity.js";
import { explain } from "../words.js";
import { byId, h, icon, say, show } from "./dom.js";
import { openDrawer } from "./sidebar.js";

/** @typedef {import("../places.js").Place} Place */

/** @type {Record<string, string>} */
const titles = { settings: "Settings", classes: "Classes", library: "Library", admin: "School" };

/** @type {[import("../places.js").AdminTab, string][]} */
const tabs = [["users", "People"], ["classes", "Classes"], ["school", "Name and rules"], ["tasks", "Work"], ["audit", "What happened"]];

export class PageScreen {
  #turn = 0;
  /** Ends what the page that is shown still waits for. */
  #left = new AbortController();

  /** @param {{signOut: () => void, left: () => void}} parts `left`: the account is gone */
  constructor(parts) {
    this.parts = parts;
    byId("page-drawer").append(icon("menu"));
    byId("page-drawer").addEventListener("click", () => openDrawer(true));
  }

  /** @param {Place} place */
  async show(place) {
    const turn = this.#begin();
    show(byId("page"), true);
    this.entitle(titles[place.screen]);
    this.#drawTabs(place);
    this.#fill(h("p", { class: "hint" }, "Loading…"));
    byId("page").scrollTop = 0;
    byId("page-title").focus();
    try {
      const { pages } = await import("./pages/pages.js");
      if (turn !== this.#turn) return;
      if (place.screen === "admin" && account()?.user.role !== "admin") return this.#fill(h("p", {}, "This page is for the admins of your school."));
      this.#fill(...pages[place.screen](place, this));
    } catch (problem) {
      if (turn === this.#turn) this.#failed(problem);
    }
  }

  /** Until when the page that is shown now may follow what it shows. */
  get signal() {
    return this.#left.signal;
  }

  hide() {
    this.#begin();
    show(byId("page"), false);
    this.#fill();
  }

  #begin() {
    this.#left.abort();
    this.#left = new AbortController();
    return (this.#turn += 1);
  }

  /** @param {string} title */
  entitle(title) {
    say(byId("page-title"), title);
    document.title = `${title} · fynq`;
  }

  /** @param {...Node} nodes */
  #fill(...nodes) {
    byId("page-body").replaceChildren(...nodes);
  }

  /** A module that did not come cannot be asked for again: the page itself must. @param {any} problem */
  #failed(problem) {
    const words = problem?.code ? explain(problem) : "This page did not load. There may be no connection.";
    const again = h("button", { type: "button", class: "primary", onclick: () => location.reload() }, "Try again");
    this.#fill(h("p", { class: "problem", role: "alert" }, words), again);
  }

  /** @param {Place} place */
  #drawTabs(place) {
    const shown = place.screen === "admin" && account()?.user.role === "admin";
    show(byId("page-tabs"), shown);
    if (!shown) return;
    const current = place.screen === "admin" && place.tab;
    const links = tabs.map(([tab, label]) => h("a", { href: `#admin/${tab}`, "aria-current": tab === current ? "page" : null }, label));
    byId("page-tabs").replaceChildren(...links);
  }
}
