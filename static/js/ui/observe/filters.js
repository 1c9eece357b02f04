// The line above the wall: search, filters, saved views, how it looks, and what may make a noise.
import { kinds, states } from "../../observe/board.js";
import { wholeView } from "../../observe/order.js";
import { ask, field } from "../dialog.js";
import { h, icon, say, show } from "../dom.js";
import { openMenu } from "../menu.js";
import { signalWords, stateWords } from "./signals.js";

/** @typedef {import("../../observe/order.js").View} View */
/** @typedef {import("../../observe/kept.js").Kept} Kept */
/**
 * @typedef {object} FilterActs
 * @property {() => Kept} kept
 * @property {(change: Partial<Kept>) => void} keep
 * @property {(view: View) => void} look     another view is wanted
 * @property {() => void} sort
 * @property {(on: boolean) => void} sound
 * @property {(on: boolean) => void} notify
 * @property {() => void} keys
 */

export class Filters {
  view = wholeView;
  #classes = "";

  /** @param {FilterActs} acts */
  constructor(acts) {
    this.acts = acts;
    this.view = { ...acts.kept().view, search: "" };
    this.search = h("input", { type: "search", placeholder: "Search students", "aria-label": "Search students", autocomplete: "off", enterkeyhint: "search", maxlength: "80", oninput: () => this.#read() });
    this.group = this.#select("Class", [["", "All classes"]]);
    this.state = this.#select("State", [["", "Any state"], ...states.map((state) => /** @type {[string, string]} */ ([state, stateWords[state]]))]);
    this.signal = this.#select("Signal", [["", "All signals"], ["any", "With a signal"], ...kinds.map((kind) => /** @type {[string, string]} */ ([kind, signalWords[kind]]))]);
    this.mine = h("button", { type: "button", class: "toggle", "aria-pressed": "false", onclick: () => this.#change({ mine: !this.view.mine }) }, "With me");
    this.sort = h("button", { type: "button", class: "toggle", title: "Tiles stay in place while you are over them", onclick: () => acts.sort() }, icon("again"), "Sort now");
    this.count = h("p", { class: "wall-count", hidden: true });
    this.digest = h("a", { class: "toggle", hidden: true }, "The day");
    const menus = h("div", { class: "wall-menus" }, this.digest, this.#menu("Views", "eye", () => this.#views()), this.#menu("Wall", "gear", () => this.#settings()));
    const selects = h("div", { class: "wall-selects" }, this.group, this.state, this.signal, this.mine);
    this.fold = h("button", { type: "button", class: "toggle fold", "aria-expanded": "false", onclick: () => this.#fold() }, "Filter");
    this.element = h("div", { class: "wall-tools", role: "search", "aria-label": "What the wall shows" }, this.search, this.fold, selects, this.sort, menus, this.count);
    this.#show();
  }

  /** @param {string} label @param {[string, string][]} options */
  #select(label, options) {
    return h("select", { "aria-label": label, onchange: () => this.#read() }, ...options.map(([value, words]) => h("option", { value }, words)));
  }

  /** @param {string} label @param {string} glyph @param {() => import("../menu.js").Item[]} items */
  #menu(label, glyph, items) {
    const button = h("button", { type: "button", class: "toggle", "aria-haspopup": "menu", "aria-expanded": "false" }, icon(glyph), label);
    button.addEventListener("click", () => openMenu(button, label, items()));
    return button;
  }

  #fold() {
    const open = this.element.toggleAttribute("data-open");
    this.fold.setAttribute("aria-expanded", String(open));
  }

  #read() {
    this.#change({ search: this.search.value, group: this.group.value, state: this.state.value, signal: this.signal.value });
  }

  /** @param {Partial<View>} change */
  #change(change) {
    this.view = { ...this.view, ...change };
    this.acts.keep({ view: this.view });
    this.#show();
    this.acts.look(this.view);
  }

  #show() {
    const { search, group, state, signal, mine } = this.view;
    if (this.search.value !== search) this.search.value = search;
    this.group.value = group;
    this.state.value = state;
    this.signal.value = signal;
    this.mine.setAttribute("aria-pressed", String(mine));
    this.fold.toggleAttribute("data-on", Boolean(group || state || signal || mine));
    show(this.digest, group !== "");
    if (group) this.digest.setAttribute("href", `#digest/${group}`);
  }

  /** A class that is chosen stays chosen, also while nobody of it is there. @param {import("../../observe/board.js").Group[]} classes */
  classes(classes) {
    const made = classes.map(({ id, name }) => `${id} ${name}`).join("\n");
    if (made === this.#classes) return;
    this.#classes = made;
    this.group.replaceChildren(h("option", { value: "" }, "All classes"), ...classes.map(({ id, name }) => h("option", { value: id }, name)));
    if (this.view.group && !classes.some(({ id }) => id === this.view.group)) this.#change({ group: "" });
    this.group.value = this.view.group;
  }

  /** @param {number} shown @param {number} all @param {boolean} stale the tiles stand otherwise than they would */
  counted(shown, all, stale) {
    show(this.count, shown !== all);
    say(this.count, `${shown} of ${all}`);
    const asks = `Search ${all} ${all === 1 ? "student" : "students"}`;
    if (this.search.placeholder !== asks) this.search.placeholder = asks;
    if (this.sort.hasAttribute("data-on") !== stale) this.sort.toggleAttribute("data-on", stale);
  }

  reset() {
    this.#change(wholeView);
  }

  #views() {
    const { views } = this.acts.kept();
    const here = JSON.stringify({ ...this.view, search: "" });
    const saved = views.map(({ name, view }) => ({ glyph: "eye", label: name, act: () => this.#change({ ...view, search: "" }), checked: JSON.stringify(view) === here }));
    const known = views.find(({ view }) => JSON.stringify(view) === here);
    const forget = known && { glyph: "trash", label: `Forget “${known.name}”`, danger: true, act: () => this.acts.keep({ views: views.filter((each) => each !== known) }) };
    return [{ glyph: "people", label: "Everybody", act: () => this.reset() }, ...saved, { glyph: "plus", label: "Save this view", act: () => this.#save() }, ...(forget ? [forget] : [])];
  }

  async #save() {
    const answer = await ask({ title: "Save this view", body: [field("Name", "name", "")], confirm: "Save" });
    const name = String(answer?.get("name") ?? "").trim();
    const { views } = this.acts.kept();
    if (name) this.acts.keep({ views: [...views.filter((each) => each.name !== name), { name, view: { ...this.view, search: "" } }] });
  }

  #settings() {
    const { dense, sound, notify } = this.acts.kept();
    return [
      { glyph: "menu", label: "Tiles: roomy", act: () => this.acts.keep({ dense: false }), checked: !dense },
      { glyph: "menu", label: "Tiles: small", act: () => this.acts.keep({ dense: true }), checked: dense },
      { glyph: "alert", label: sound ? "Sounds: on" : "Sounds: off", act: () => this.acts.sound(!sound) },
      { glyph: "alert", label: notify ? "Notifications: on" : "Notifications: off", act: () => this.acts.notify(!notify) },
      { glyph: "keys", label: "Keyboard", act: () => this.acts.keys() },
    ];
  }
}
