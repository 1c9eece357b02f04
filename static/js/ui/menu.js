// A small menu under a button: arrows move, Esc closes and gives the focus back.
import { h, icon } from "./dom.js";

/** @typedef {{glyph: string, label: string, act: () => void, checked?: boolean, danger?: boolean}} Item */

/** @type {(() => void) | null} */
let closeOpen = null;

/** @param {HTMLElement} button @param {string} label @param {Item[]} items */
export function openMenu(button, label, items) {
  const again = button.getAttribute("aria-expanded") === "true";
  closeOpen?.();
  if (again) return;
  const menu = h("div", { class: "menu", role: "menu", "aria-label": label }, ...items.map((item) => row(item, () => close(true))));
  const close = (/** @type {boolean} */ back) => {
    menu.remove();
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside, true);
    closeOpen = null;
    if (back) button.focus();
  };
  const outside = (/** @type {Event} */ event) => {
    const target = /** @type {Node} */ (event.target);
    if (!menu.contains(target) && !button.contains(target)) close(false);
  };
  menu.addEventListener("keydown", (event) => onKey(event, menu, () => close(true)));
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !menu.contains(/** @type {Node} */ (event.relatedTarget))) close(false);
  });
  document.addEventListener("pointerdown", outside, true);
  closeOpen = () => close(false);
  button.setAttribute("aria-expanded", "true");
  (button.closest("aside, main") ?? document.body).append(menu);
  place(menu, button);
  /** @type {HTMLElement} */ (menu.firstElementChild).focus();
}

/** @param {Item} item @param {() => void} close */
function row({ glyph, label, act, checked, danger }, close) {
  const radio = checked !== undefined;
  const properties = { type: "button", role: radio ? "menuitemradio" : "menuitem", "aria-checked": radio ? String(checked) : null, class: danger ? "danger" : null, tabindex: "-1" };
  const choose = () => {
    close();
    act();
  };
  return h("button", { ...properties, onclick: choose }, icon(glyph), h("span", {}, label), checked && icon("check"));
}

/** @param {KeyboardEvent} event @param {HTMLElement} menu @param {() => void} close */
function onKey(event, menu, close) {
  const rows = /** @type {HTMLElement[]} */ ([...menu.children]);
  const at = rows.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  /** @type {Record<string, number>} */
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 + rows.length, Home: 0, End: rows.length - 1 };
  if (event.key in to) rows[to[event.key] % rows.length].focus();
  else if (event.key === "Escape" || event.key === "Tab") close();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** Below the button, or above it if there is no room. @param {HTMLElement} menu @param {HTMLElement} button */
function place(menu, button) {
  const edge = 8;
  const from = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = from.bottom + 4 + height < innerHeight - edge;
  menu.style.top = `${below ? from.bottom + 4 : Math.max(edge, from.top - 4 - height)}px`;
  menu.style.left = `${Math.max(edge, Math.min(from.right - width, innerWidth - width - edge))}px`;
}
