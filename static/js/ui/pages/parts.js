// What the pages are put together from: panels, lists, and parts that load by themselves.
import { explain } from "../../words.js";
import { h } from "../dom.js";
import { toast } from "../toast.js";

/** @typedef {Node | string | null | false | undefined} Part */

/** @param {string} title @param {...Part} children */
export function panel(title, ...children) {
  return h("section", { class: "panel" }, h("h2", {}, title), ...children);
}

/** @param {string} words @param {() => void} act @param {string} [look] @param {string} [name] what a screen reader calls it */
export function button(words, act, look = "plain", name) {
  return h("button", { type: "button", class: look, "aria-label": name ?? null, onclick: act }, words);
}

/**
 * A part of a page that is drawn when the server has answered, and again whenever `again` is called.
 * @template T
 * @param {() => Promise<T>} load
 * @param {(found: T, again: () => Promise<void>) => Part[]} draw
 * @param {{absent?: (problem: any) => boolean}} [options] `absent`: there is nothing to show, and that is all right
 */
export function loaded(load, draw, { absent = () => false } = {}) {
  const place = h("div", { class: "part", tabindex: "-1" }, h("p", { class: "hint" }, "Loading…"));
  let drawn = false;
  const again = async () => {
    const focused = place.contains(document.activeElement) || document.activeElement === document.body;
    try {
      const parts = draw(await load(), again).filter((each) => each !== null && each !== false && each !== undefined);
      place.replaceChildren(.../** @type {Node[]} */ (parts));
    } catch (problem) {
      if (absent(problem)) return (place.closest(".panel") ?? place).remove();
      place.replaceChildren(h("p", { class: "problem", role: "alert" }, explain(problem)), button("Try again", again));
    }
    // What was pressed may be gone: the reader goes on from the same part, not from the page's beginning.
    if (focused && drawn && document.activeElement === document.body) place.focus({ preventScroll: true });
    drawn = true;
  };
  again();
  return place;
}

/**
 * A list that comes in pages.
 * @template T
 * @param {object} parts
 * @param {(cursor: string | null) => Promise<{items: T[], next_cursor: string | null}>} parts.load
 * @param {(item: T, again: () => Promise<void>) => Node} parts.row
 * @param {string} parts.none
 * @param {string} parts.label
 */
export function pagedList({ load, row, none, label }) {
  return loaded(() => load(null), (first, again) => {
    const list = h("ul", { class: "rows", "aria-label": label }, ...first.items.map((item) => row(item, again)));
    let cursor = first.next_cursor;
    const more = button("Show more", async () => {
      more.disabled = true;
      try {
        const next = await load(cursor);
        list.append(...next.items.map((item) => row(item, again)));
        cursor = next.next_cursor;
        if (!cursor) more.remove();
      } catch (problem) {
        toast(explain(problem));
      } finally {
        more.disabled = false;
      }
    });
    return [first.items.length ? list : h("p", { class: "hint" }, none), cursor ? more : null];
  });
}

/**
 * One row: what it is, what else there is to know, and what can be done.
 * @param {{title: Node | string, tags?: Part[], below?: (Node | string)[], acts?: Part[]}} parts
 */
export function row({ title, tags = [], below = [], acts = [] }) {
  const chips = tags.filter(Boolean).map((text) => h("span", { class: "tag" }, text));
  const second = below.flatMap((each, index) => (index ? [" · ", each] : [each]));
  const doing = acts.filter(Boolean);
  const heading = h("p", { class: "row-title" }, h("span", { dir: "auto" }, title), ...chips);
  return h("li", {},
    h("div", { class: "row-text" }, heading, second.length > 0 && h("p", { class: "hint" }, ...second)),
    doing.length > 0 && h("div", { class: "row-acts" }, ...doing),
  );
}

/**
 * What a list holds, chosen above it.
 * @param {{label: string, options: [string, string][], value?: string}} parts value and words of each; what is not among them is the first
 */
export function select({ label, options, value = "" }) {
  const box = h("select", {});
  const offer = (/** @type {[string, string][]} */ all) => {
    const chosen = box.options.length ? box.value : value;
    box.replaceChildren(...all.map(([each, words]) => h("option", { value: each }, words)));
    box.value = chosen;
    if (box.selectedIndex < 0) box.selectedIndex = 0;
  };
  offer(options);
  return { element: h("label", { class: "filter" }, h("span", {}, label), box), box, offer, get value() { return box.value; } };
}

/** Does it, and says whether it worked. @param {() => Promise<any>} act @param {string} [done] */
export async function attempt(act, done) {
  try {
    await act();
    if (done) toast(done);
    return true;
  } catch (problem) {
    toast(explain(problem));
    return false;
  }
}

/** Hands a file to the browser. @param {Blob} blob @param {string} name */
export function download(blob, name) {
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
