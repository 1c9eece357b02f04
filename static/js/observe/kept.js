// What a tutor has set up on this device: pins, views, how dense the wall is, and what may make a noise. Only
// ids and the tutor's own words are kept, no student's name and nothing that was searched for.
import { wholeView } from "./order.js";

/** @typedef {import("./order.js").View} View */
/** @typedef {{name: string, view: View}} SavedView */
/** @typedef {{pins: string[], views: SavedView[], view: View, dense: boolean, sound: boolean, notify: boolean}} Kept */

const mostPins = 200;
const mostViews = 20;

/** @param {string} user */
const keyOf = (user) => `fynq.observe.${user}`;

/** @param {string} user @param {Pick<Storage, "getItem">} [storage] @returns {Kept} */
export function readKept(user, storage = localStorage) {
  return checkKept(parse(storage.getItem(keyOf(user))));
}

/** @param {string} user @param {Kept} kept @param {Pick<Storage, "setItem">} [storage] */
export function writeKept(user, kept, storage = localStorage) {
  try {
    storage.setItem(keyOf(user), JSON.stringify(checkKept(kept)));
  } catch {
    // No room: the wall works without.
  }
}

/** Whatever was stored, by whichever version of the page, becomes something that can be used. @param {any} stored @returns {Kept} */
export function checkKept(stored) {
  const pins = array(stored?.pins).filter((pin) => typeof pin === "string");
  const views = array(stored?.views).filter((each) => typeof each?.name === "string" && each.name);
  return {
    pins: pins.slice(-mostPins),
    views: views.slice(0, mostViews).map(({ name, view }) => ({ name: name.slice(0, 60), view: checkView(view) })),
    view: checkView(stored?.view),
    dense: stored?.dense === true,
    sound: stored?.sound === true,
    notify: stored?.notify === true,
  };
}

/** @param {any} view @returns {View} */
function checkView(view) {
  const text = (/** @type {"group" | "state" | "signal"} */ name) => (typeof view?.[name] === "string" ? view[name].slice(0, 64) : "");
  return { ...wholeView, group: text("group"), state: text("state"), signal: text("signal"), mine: view?.mine === true };
}

/** @param {any} value @returns {any[]} */
const array = (value) => (Array.isArray(value) ? value : []);

/** @param {string | null} text */
function parse(text) {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null;
  }
}
