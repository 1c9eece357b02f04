// The frame of what tutors watch with. What fills it is fetched when a tutor first opens it: no student ever
// waits for it, and its style comes with it.
import { account } from "../net/identity.js";
import { explain } from "../words.js";
import { byId, h, icon, say, show } from "./dom.js";
import { openDrawer } from "./sidebar.js";

/** @typedef {import("../places.js").ConsolePlace} ConsolePlace */
/**
 * @typedef {object} Opened one screen of the console
 * @property {() => void} close
 * @property {(place: ConsolePlace) => boolean} [move] goes there without beginning anew, if it can
 */

/** @type {Record<string, string>} */
const titles = { observe: "Watch", replay: "Replay", digest: "The day" };

export class ConsoleScreen {
  #turn = 0;
  /** @type {Opened | null} */
  #opened = null;

  constructor() {
    byId("console-drawer").append(icon("menu"));
    byId("console-drawer").addEventListener("click", () => openDrawer(true));
  }

  /** @param {ConsolePlace} place */
  async show(place) {
    if (this.#opened?.move?.(place)) return;
    this.#close();
    const turn = this.#turn;
    // A root of its own: what comes late, when one has gone elsewhere, fills a root that nobody sees.
    const root = h("div", { class: "console-root" }, h("p", { class: "hint" }, "Loading…"));
    byId("console-body").replaceChildren(root);
    show(byId("console"), true);
    this.entitle(titles[place.screen]);
    byId("console-title").focus();
    const role = account()?.user.role;
    if (role !== "tutor" && role !== "admin") return root.replaceChildren(h("p", { class: "hint" }, "This page is for tutors."));
    try {
      const { openConsole } = await import("./observe/console.js");
      const opened = await openConsole(root, place, this);
      if (turn === this.#turn) this.#opened = opened;
      else opened.close();
    } catch (problem) {
      if (turn === this.#turn) this.#failed(problem);
    }
  }

  hide() {
    this.#close();
    show(byId("console"), false);
    byId("console-body").replaceChildren();
  }

  /** @param {string} title */
  entitle(title) {
    say(byId("console-title"), title);
    document.title = `${title} · fynq`;
  }

  #close() {
    this.#turn += 1;
    this.#opened?.close();
    this.#opened = null;
  }

  /** A module that did not come cannot be asked for again: the page itself must. @param {any} problem */
  #failed(problem) {
    const words = problem?.code ? explain(problem) : "This page did not load. There may be no connection.";
    const again = h("button", { type: "button", class: "primary", onclick: () => location.reload() }, "Try again");
    byId("console-body").replaceChildren(h("p", { class: "problem", role: "alert" }, words), again);
  }
}
