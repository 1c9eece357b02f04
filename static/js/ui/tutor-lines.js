// The plain lines between the messages that say when a human comes, takes over and goes; also spoken, once each.
import { byId, h, icon, say } from "./dom.js";

/** @typedef {import("../chat/lines.js").TutorLine} TutorLine */
/** `act`: what a replay tells, in its own words. @typedef {{id: string, after: string, kind: "act", who: {id: string, name: string}, text: string}} ToldLine */

/** @type {Record<import("../chat/lines.js").LineKind, [glyph: string, of: (name: string) => string, ofOneself: string]>} */
const words = {
  took_over: ["person", (name) => `${name} has taken over. The AI is silent.`, "You have taken over. The AI is silent."],
  handed_back: ["out", (name) => `${name} handed back to the AI.`, "You handed back to the AI."],
  left: ["out", (name) => `${name} had to leave; the AI answers again.`, "You were away; the AI answers again."],
  ended: ["out", (name) => `${name} is no longer in charge; the AI answers again.`, "You are no longer in charge; the AI answers again."],
  coming: ["hand", (name) => `${name} is coming.`, "You said that you are coming."],
  not_coming: ["hand", (name) => `${name} could not come. The hand is still up.`, "You did not come. The hand is still up."],
};

/** @param {TutorLine} line @param {string} [me] the reader, for whom it is said in the second person */
export function lineWords({ kind, who }, me = "") {
  const [, of, ofOneself] = words[kind];
  return who.id === me ? ofOneself : of(who.name || "Your tutor");
}

/** @param {TutorLine | ToldLine} line @param {string} [me] */
export function drawLine(line, me) {
  const [glyph, text] = line.kind === "act" ? ["person", line.text] : [words[line.kind][0], lineWords(line, me)];
  return h("p", { class: `tutor-line line-${line.kind}`, "data-id": line.id }, icon(glyph), h("span", { dir: "auto" }, text));
}

/** Tells new lines to a screen reader. What was there when one came is history. */
export class LineSpeaker {
  #last = 0;

  /** @param {TutorLine[]} lines */
  forgetAll(lines) {
    this.#last = number(lines.at(-1));
    say(byId("news"), "");
  }

  /** @param {TutorLine[]} lines @param {string} [me] @returns {boolean} whether something was said */
  update(lines, me) {
    const fresh = lines.filter((line) => number(line) > this.#last);
    if (!fresh.length) return false;
    this.#last = number(fresh.at(-1));
    byId("news").textContent = fresh.map((line) => lineWords(line, me)).join(" ");
    return true;
  }
}

/** @param {TutorLine} [line] */
const number = (line) => Number(line?.id.slice(5) ?? 0);
