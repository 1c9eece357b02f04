// What the AI has been told about this session behind the student's back: by whom, for how long, and what became
// of it.
import { waitingOf } from "../../observe/guidance.js";
import { h, say, show } from "../dom.js";
import { when } from "../when.js";
import { picture } from "./pictures.js";

/** @typedef {import("../../observe/guidance.js").Whisper} Whisper */

/** @type {Record<Whisper["state"], string>} */
const states = { waiting: "", used: "The AI has used it", withdrawn: "Withdrawn", over: "No longer waiting" };

const roomy = matchMedia("(min-width: 54.001rem) and (min-height: 40rem)");

export class GuidanceList {
  /** @type {Whisper[] | null} */
  #drawn = null;
  #me = "";

  /** @param {{withdraw: (id: string) => void}} parts */
  constructor(parts) {
    this.parts = parts;
    this.title = h("span", {});
    this.list = h("ul", { class: "guidance-list" });
    this.element = h("details", { class: "desk-fold guidance", hidden: true }, h("summary", {}, picture("whisper"), this.title), this.list);
  }

  /** @param {Whisper[]} guidance @param {string} me */
  update(guidance, me) {
    if (guidance === this.#drawn && me === this.#me) return;
    const waited = waitingOf(this.#drawn ?? []).length;
    this.#drawn = guidance;
    this.#me = me;
    const waiting = waitingOf(guidance);
    show(this.element, guidance.length > 0);
    say(this.title, waiting.length ? `Guidance for the AI · ${waiting.length} in effect` : "Guidance for the AI · none in effect");
    // What is in effect is shown, where there is room; that it ended is not worth a jump.
    if (waiting.length > waited && roomy.matches) this.element.open = true;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.whisper;
    this.list.replaceChildren(...[...waiting, ...guidance.filter((each) => each.state !== "waiting")].map((each) => this.#row(each)));
    const again = focused && this.list.querySelector(`[data-whisper="${CSS.escape(focused)}"]`);
    if (again) /** @type {HTMLElement} */ (again).focus();
  }

  /** @param {Whisper} whisper */
  #row({ id, by, text, until, kind, state, at }) {
    const who = by.id === this.#me ? "You" : by.name || "A tutor";
    const waits = until === "next" ? "For the next answer" : "Until withdrawn";
    const what = kind === "summary" ? " · on handing back" : "";
    const facts = h("p", { class: "hint" }, `${who}${what} · ${states[state] || waits} · `, when(at));
    const withdraw = state === "waiting" && h("button", { type: "button", class: "link", "data-whisper": id, "aria-label": `Withdraw: ${text.slice(0, 60)}`, onclick: () => this.parts.withdraw(id) }, "Withdraw");
    return h("li", { "data-state": state }, h("p", { class: "whispered", dir: "auto" }, text), h("div", { class: "guidance-facts" }, facts, withdraw));
  }
}
