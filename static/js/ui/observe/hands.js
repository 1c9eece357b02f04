// The strip of raised hands above the wall: the oldest first, how long it has waited, and who is coming.
import { raisedHands } from "../../observe/board.js";
import { span } from "../../observe/span.js";
import { h, say, show } from "../dom.js";
import { picture } from "./signals.js";

/** @typedef {import("../../observe/board.js").Tile} Tile */

/** @typedef {{item: HTMLLIElement, name: HTMLElement, time: HTMLElement, who: HTMLElement, claim: HTMLButtonElement, since: number}} HandRow */

export class Hands {
  /** @type {Map<string, HandRow>} */
  #rows = new Map();
  #list = h("ul", {});
  element = h("section", { class: "hands", "aria-label": "Raised hands", hidden: true }, this.#list);

  /** @param {{me: string, claim: (session: string) => void, open: (session: string) => void}} acts */
  constructor(acts) {
    this.acts = acts;
  }

  /** @param {import("../../observe/board.js").Board} board @param {number} now */
  draw(board, now) {
    const raised = raisedHands(board);
    const wanted = new Set(raised.map(({ id }) => id));
    for (const [id, { item }] of this.#rows) {
      if (wanted.has(id)) continue;
      item.remove();
      this.#rows.delete(id);
    }
    /** @type {Element | null} */
    let at = this.#list.firstElementChild;
    for (const tile of raised) {
      const { item } = this.#draw(tile);
      if (item === at) at = at.nextElementSibling;
      else this.#list.insertBefore(item, at);
    }
    show(this.element, raised.length > 0);
    this.tick(now);
  }

  /** @param {number} now */
  tick(now) {
    for (const { time, since } of this.#rows.values()) say(time, span(now - since));
  }

  /** @param {Tile} tile */
  #draw(tile) {
    let row = this.#rows.get(tile.id);
    if (!row) this.#rows.set(tile.id, (row = this.#make(tile.id)));
    const { claimedBy, since } = tile.hand ?? { claimedBy: null, since: 0 };
    row.since = since;
    say(row.name, tile.student.name);
    const mine = claimedBy?.id === this.acts.me;
    say(row.who, claimedBy ? (mine ? "You are coming" : `Claimed by ${claimedBy.name}`) : "");
    show(row.who, claimedBy !== null);
    show(row.claim, claimedBy === null);
    row.item.toggleAttribute("data-claimed", claimedBy !== null);
    if (row.claim.dataset.name !== tile.student.name) {
      row.claim.dataset.name = tile.student.name;
      row.claim.setAttribute("aria-label", `I’m coming: ${tile.student.name}`);
    }
    return row;
  }

  /** @param {string} id @returns {HandRow} */
  #make(id) {
    const name = h("button", { type: "button", class: "hand-name", dir: "auto", onclick: () => this.acts.open(id) });
    const time = h("span", { class: "hand-time" });
    const who = h("span", { class: "hand-who" });
    const claim = h("button", { type: "button", class: "hand-claim", onclick: () => this.acts.claim(id) }, "I’m coming");
    return { item: h("li", { class: "raised" }, picture("hand"), name, time, who, claim), name, time, who, claim, since: 0 };
  }
}
