// The top of one watched session: whose it is, how it stands, what the server noticed, and what a tutor can do
// beside writing.
import { canBeDealtWith, dealtWords } from "../../observe/dealt.js";
import { holder } from "../../observe/modes.js";
import { h, say, show } from "../dom.js";
import { picture } from "./pictures.js";

/** @typedef {import("../../observe/watch.js").Watch} Watch */
/** @typedef {import("../../chat/log.js").SessionState} SessionState */

/** @type {Record<string, string>} */
const signalWords = { hand: "Hand up", safety: "Safety", struggling: "Struggling", error: "Error", off_task: "Off task", idle: "Idle" };

export class SessionHead {
  #drawn = "";

  /**
   * @param {string} session
   * @param {{close: () => void, take: () => void, handBack: () => void, claim: () => void, lower: () => void, stop: () => void, dealt: (kind: string) => void}} acts
   */
  constructor(session, acts) {
    this.acts = acts;
    this.name = h("h2", { tabindex: "-1", dir: "auto" });
    this.subject = h("p", { class: "watched-title", dir: "auto" });
    this.state = h("p", { class: "watched-state" });
    this.signals = h("ul", { class: "watched-signals", tabindex: "0", "aria-label": "What was noticed" });
    this.claim = act("hand", "I’m coming", acts.claim);
    this.lower = act("down", "Lower the hand", acts.lower);
    this.stop = act("stop", "Stop the answer", acts.stop);
    this.take = act("hand", "Take over", acts.take);
    this.back = act("out", "Hand back", acts.handBack);
    this.take.classList.add("take");
    this.back.classList.add("take");
    const leave = h("button", { type: "button", class: "icon", "aria-label": "Close this conversation", onclick: acts.close }, picture("back"));
    const replay = h("a", { class: "desk-act", href: `#replay/${session}` }, picture("rewind"), h("span", {}, "Replay"));
    this.element = h("header", { class: "watched-head" },
      leave, h("div", { class: "watched-who" }, this.name, this.subject),
      h("div", { class: "watched-acts" }, this.claim, this.lower, this.stop, this.take, this.back, replay),
      this.state, this.signals,
    );
  }

  /** @param {Watch} watch @param {string} name @param {string} title */
  update({ state, signals, dealt, typing, line }, name, title) {
    const open = line.phase === "open";
    const who = holder(state);
    say(this.name, name);
    say(this.subject, title);
    say(this.state, stateWords(state, name, typing && typing.until > Date.now() ? typing.name || name : ""));
    const coming = state.hand?.claimedBy ?? null;
    show(this.claim, open && state.handRaised && !coming && who === "nobody");
    show(this.lower, open && state.handRaised);
    show(this.stop, open && state.run !== null && state.control === "ai");
    show(this.take, open && who === "nobody");
    show(this.back, open && who === "me");
    const drawn = JSON.stringify([signals, dealt]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    show(this.signals, signals.length + dealt.length > 0);
    this.signals.replaceChildren(
      ...signals.map(({ kind, why }) => this.#line(kind, why, false)),
      ...dealt.map((one) => this.#line(one.kind, dealtWords(one), true)),
    );
  }

  /** @param {string} kind @param {string} why @param {boolean} dealt somebody has seen to it */
  #line(kind, why, dealt) {
    const glyph = kind === "hand" ? "hand" : kind === "idle" ? "clock" : "alert";
    const words = signalWords[kind] ?? "Noticed";
    const button = canBeDealtWith(kind) && !dealt && h("button", { type: "button", class: "link", "aria-label": `${words}: dealt with`, onclick: () => this.acts.dealt(kind) }, "Dealt with");
    return h("li", { "data-kind": kind, "data-dealt": dealt }, picture(glyph), h("strong", {}, words), h("span", {}, why), button);
  }
}

/** @param {string} glyph @param {string} words @param {() => void} what */
function act(glyph, words, what) {
  return h("button", { type: "button", class: "desk-act", hidden: true, onclick: what }, picture(glyph), h("span", {}, words));
}

/**
 * How it stands, in one line.
 * @param {SessionState} state @param {string} student @param {string} writes who is writing, "" for nobody
 */
export function stateWords(state, student, writes) {
  if (!state.ready) return "Opening…";
  const who = holder(state);
  const tutor = state.tutor?.name || "Another tutor";
  const coming = state.hand?.claimedBy;
  const others = state.watchers.filter((watcher) => watcher.id !== state.you?.id && watcher.id !== state.tutor?.id);
  return [
    who === "me" ? "You are in charge" : who === "other" ? `${tutor} is in charge` : aiWords(state, student),
    state.handRaised && (coming ? `${coming.id === state.you?.id ? "You are" : `${coming.name || "A tutor"} is`} coming` : "Hand is up"),
    writes && `${writes} is writing…`,
    others.length > 0 && `Also here: ${others.map((watcher) => watcher.name || "a tutor").join(", ")}`,
  ].filter(Boolean).join(" · ");
}

/** @param {SessionState} state @param {string} student */
function aiWords({ run, thinking }, student) {
  if (run === null) return `Waiting for ${student}`;
  return thinking ? "The AI is thinking" : "The AI is answering";
}
