// The grid of tiles: each has its place and keeps it, arrows go from one to the next, and one of them can be
// reached with Tab.
import { h, show } from "../dom.js";
import { TileView } from "./tile.js";

/** @typedef {import("../../observe/board.js").Board} Board */
/** @typedef {import("./tile.js").Scene} Scene */
/** @typedef {import("./tile.js").Acts} Acts */

/** After the last turn of the wheel or the finger, in milliseconds. */
const readsFor = 4000;

export class Wall {
  /** @type {Map<string, TileView>} */
  #views = new Map();
  /** @type {string[]} */
  #order = [];
  #active = "";
  #chosen = "";
  #pointed = false;
  #focused = false;
  #scrolledAt = 0;

  /** @param {Acts} acts */
  constructor(acts) {
    this.acts = acts;
    this.grid = h("div", { class: "wall-grid", role: "grid", "aria-label": "Students who are working now", "aria-rowcount": "0", "aria-colcount": "1" });
    this.grid.addEventListener("pointerenter", () => (this.#pointed = true));
    this.grid.addEventListener("pointerleave", () => (this.#pointed = false));
    this.grid.addEventListener("focusin", (event) => this.#focusIn(event));
    this.grid.addEventListener("focusout", () => (this.#focused = false));
    this.grid.addEventListener("click", (event) => this.#click(event));
  }

  /** Somebody is about to press something: nothing may move now. */
  get busy() {
    return this.#pointed || this.#focused || Date.now() - this.#scrolledAt < readsFor;
  }

  /** A finger that scrolls leaves no pointer behind, and yet somebody is reading. */
  scrolled = () => {
    this.#scrolledAt = Date.now();
  };

  /** The tile that the keys mean, while the focus is in the grid. */
  get active() {
    return this.#focused ? this.#active : "";
  }

  /** @param {string[]} order @param {Board} board @param {Scene} scene @param {boolean} [all] every tile, not only what was touched */
  draw(order, board, scene, all = false) {
    const moved = order !== this.#order;
    if (moved) {
      this.#place(order);
      this.choose(this.#chosen);
    }
    const fresh = moved || all;
    for (const id of fresh ? order : board.touched) this.#views.get(id)?.update(board.tiles.get(id), scene);
  }

  /** @param {string[]} order */
  #place(order) {
    const focused = this.grid.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
    this.#order = order;
    const wanted = new Set(order);
    for (const [id, view] of this.#views) {
      if (wanted.has(id)) continue;
      view.row.remove();
      this.#views.delete(id);
    }
    /** @type {Element | null} */
    let at = this.grid.firstElementChild;
    for (const [index, id] of order.entries()) {
      const { row } = this.#view(id);
      row.setAttribute("aria-rowindex", String(index + 1));
      if (row === at) at = at.nextElementSibling;
      else this.grid.insertBefore(row, at);
    }
    this.grid.setAttribute("aria-rowcount", String(order.length));
    show(this.grid, order.length > 0);
    if (!wanted.has(this.#active)) this.#reach(order[0] ?? "");
    if (focused && focused !== document.activeElement) (focused.isConnected ? focused : this.#views.get(this.#active)?.cell)?.focus({ preventScroll: true });
  }

  /** @param {string} id */
  #view(id) {
    let view = this.#views.get(id);
    if (!view) this.#views.set(id, (view = new TileView(id, this.acts)));
    return view;
  }

  /** @param {string} id */
  #reach(id) {
    if (id === this.#active) return;
    this.#views.get(this.#active)?.reach(false);
    this.#active = id;
    this.#views.get(id)?.reach(true);
  }

  /** Shows which one is open beside the wall. @param {string} id */
  choose(id) {
    this.#chosen = id;
    for (const view of this.#views.values()) {
      if (view.id === id) view.cell.setAttribute("aria-selected", "true");
      else view.cell.removeAttribute("aria-selected");
    }
  }

  /** Tiles change their size beside an open conversation: the one that counts stays in sight. @param {string} id */
  reveal(id) {
    this.#views.get(id)?.row.scrollIntoView({ block: "nearest" });
  }

  /** @param {string} [id] */
  focus(id = this.#active) {
    const view = this.#views.get(id) ?? this.#views.get(this.#active);
    view?.cell.focus();
    return view !== undefined;
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether it was for the grid */
  key(event) {
    const at = this.#order.indexOf(this.#active);
    if (!this.#focused || at < 0) return false;
    const last = this.#order.length - 1;
    const right = getComputedStyle(this.grid).direction === "rtl" ? -1 : 1;
    /** @type {Record<string, () => number>} */
    const to = {
      ArrowRight: () => at + right, ArrowLeft: () => at - right, ArrowDown: () => at + this.#columns(), ArrowUp: () => at - this.#columns(),
      Home: () => 0, End: () => last, PageDown: () => Math.min(last, at + 3 * this.#columns()), PageUp: () => Math.max(0, at - 3 * this.#columns()),
    };
    const target = to[event.key]?.();
    if (target === undefined) return false;
    if (target >= 0 && target <= last) this.focus(this.#order[target]);
    return true;
  }

  /** How many tiles stand side by side: asked of the style only when a key is pressed. */
  #columns() {
    return getComputedStyle(this.grid).gridTemplateColumns.split(" ").length;
  }

  /** @param {FocusEvent} event */
  #focusIn(event) {
    this.#focused = true;
    const cell = /** @type {HTMLElement} */ (event.target).closest(".tile");
    if (cell) this.#reach(/** @type {HTMLElement} */ (cell).dataset.session ?? "");
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const cell = /** @type {HTMLElement | null} */ (target.closest(".tile"));
    if (cell && !target.closest("button")) this.acts.open(cell.dataset.session ?? "");
  }
}
