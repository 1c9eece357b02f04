import { h } from "./dom.js";

const steps = /** @type {[Intl.RelativeTimeFormatUnit, number][]} */ ([["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000]]);

/** How long ago, in words; the whole date on hover, and as text once it is more than a week ago. @param {string} time */
export function when(time) {
  const at = new Date(time);
  const whole = at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return h("time", { datetime: time, title: whole }, ago(at.getTime()) || whole);
}

/** @param {number} at */
function ago(at) {
  const past = Date.now() - at;
  if (Math.abs(past) < 60_000) return "just now";
  if (past > 7 * 86_400_000 || past < 0) return "";
  const [unit, length] = steps.find(([, each]) => past >= each) ?? steps[2];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-Math.floor(past / length), unit);
}

/** @param {string} time */
export const dayOf = (time) => new Date(time).toLocaleDateString([], { dateStyle: "medium" });
