// One day of a class: who was helped and by whom, who needed somebody and had nobody, and which signals were
// right. A day is the server's, in UTC, so that every tutor of the class sees the same one.
import { classDigest } from "../../net/observe.js";
import { h } from "../dom.js";
import { loaded, panel } from "../pages/parts.js";
import { picture, signalWords } from "./signals.js";
import { wallStyle } from "./style.js";

/** @typedef {import("../../net/observe.js").Digest} Digest */
/** @typedef {import("../../net/observe.js").DayStudent} DayStudent */
/** @typedef {import("../../observe/board.js").SignalKind} SignalKind */

/** What a tutor did, as a sentence's end; what is not listed here is no help by itself. @type {Record<string, [string, string]>} */
const actWords = {
  said: ["spoke once", "spoke % times"],
  whispered: ["whispered once", "whispered % times"],
  took_over: ["took over once", "took over % times"],
  claimed: ["came to a raised hand", "came to % raised hands"],
  corrected: ["corrected an answer", "corrected % answers"],
  lowered_hand: ["lowered a hand", "lowered % hands"],
};

const today = () => new Date().toISOString().slice(0, 10);

/** @param {string} day @param {number} days */
const moved = (day, days) => new Date(Date.parse(day) + days * 86_400_000).toISOString().slice(0, 10);

/** @param {string} id of the class @param {{entitle: (title: string) => void}} frame */
export function digestPage(id, frame) {
  let day = today();
  const date = h("input", { type: "date", "aria-label": "Day", max: day, value: day });
  const later = h("button", { type: "button", class: "plain", "aria-label": "The day after" }, "›");
  const place = h("div", { class: "stack" });
  const go = (/** @type {string} */ wanted) => {
    if (!/^\d{4}-\d\d-\d\d$/.test(wanted) || wanted > today()) return;
    day = date.value = wanted;
    later.disabled = day === today();
    const part = loaded(() => classDigest(id, wanted), (digest) => draw(digest, frame));
    part.classList.add("stack");
    place.replaceChildren(part);
  };
  date.addEventListener("change", () => go(date.value));
  later.addEventListener("click", () => go(moved(day, 1)));
  const earlier = h("button", { type: "button", class: "plain", "aria-label": "The day before", onclick: () => go(moved(day, -1)) }, "‹");
  go(day);
  return h("div", { class: "day" }, h("div", { class: "day-line" }, h("a", { href: `#classes/${id}`, class: "link" }, "The class"), h("div", { class: "day-pick" }, earlier, date, later)), place);
}

/** @param {Digest} digest @param {{entitle: (title: string) => void}} frame */
function draw({ class: group, students, signals }, frame) {
  frame.entitle(`${group.name}: the day`);
  const missed = students.filter((each) => each.needed_help && !each.helped.length);
  const helped = students.filter((each) => each.helped.length);
  const others = students.filter((each) => !each.helped.length && !each.needed_help);
  if (!students.length) return [h("p", { class: "hint" }, "Nobody of this class worked here on this day.")];
  return [
    missed.length > 0 && panel("Needed help, and nobody came", people(missed, "Needed help, and nobody came")),
    helped.length > 0 && panel("Helped", people(helped, "Helped")),
    others.length > 0 && panel(helped.length || missed.length ? "Everybody else" : "Nobody needed help", people(others, "Everybody else")),
    Object.keys(signals).length > 0 && panel("Were the signals right?", rightness(signals)),
  ];
}

/** @param {DayStudent[]} students @param {string} label */
const people = (students, label) => h("ul", { class: "rows", "aria-label": label }, ...students.map(person));

/** @param {DayStudent} day */
function person({ student, sessions, questions, helped, signals }) {
  const help = helped.map(({ by, acts }) => h("p", { class: "day-help" }, h("strong", { dir: "auto" }, by.name || "A tutor"), ` ${deeds(acts)}`));
  const shown = signals.map(({ kind, times, why, useful }) =>
    h("li", { class: "day-signal", "data-kind": kind }, picture(known(kind)), h("strong", {}, `${signalWords[known(kind)]}${times > 1 ? ` ×${times}` : ""}`), " ", h("span", {}, why), " ", verdict(useful)),
  );
  return h("li", {},
    h("div", { class: "row-text" },
      h("p", { class: "row-title" }, h("span", { dir: "auto" }, student.name || "A student")),
      h("p", { class: "hint" }, `${many(questions, "question")} in ${many(sessions, "conversation")}`),
      ...help,
      shown.length > 0 && h("ul", { class: "day-signals" }, ...shown),
    ),
  );
}

/** @param {string} kind @returns {SignalKind} */
const known = (kind) => /** @type {SignalKind} */ (kind in signalWords ? kind : "error");

/** @param {boolean | null} useful */
const verdict = (useful) => (useful === null ? null : h("span", { class: "tag" }, useful ? "Was right" : "Not useful"));

/** @param {Record<string, number>} acts */
function deeds(acts) {
  const told = Object.entries(actWords).flatMap(([act, [once, often]]) => (acts[act] ? [acts[act] === 1 ? once : often.replace("%", String(acts[act]))] : []));
  return told.length ? new Intl.ListFormat("en").format(told) : "was there";
}

/** @param {Digest["signals"]} signals */
function rightness(signals) {
  const head = h("tr", {}, ...["Signal", "Shown", "Right", "Not useful"].map((title) => h("th", { scope: "col" }, title)));
  const rows = Object.entries(signals).map(([kind, { shown, useful, not_useful }]) =>
    h("tr", {}, h("th", { scope: "row" }, picture(known(kind)), signalWords[known(kind)]), ...[shown, useful, not_useful].map((count) => h("td", {}, String(count)))),
  );
  return h("table", { class: "day-table" }, h("thead", {}, head), h("tbody", {}, ...rows));
}

/** @param {number} count @param {string} word */
const many = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** @param {HTMLElement} body @param {{screen: string, id: string}} place @param {{entitle: (title: string) => void}} frame */
export async function openDigest(body, place, frame) {
  await wallStyle();
  body.replaceChildren(digestPage(place.id, frame));
  return { close: () => {} };
}
