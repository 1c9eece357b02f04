// Who is here with the student: who holds the conversation, who is coming, who writes and who reads along; and the
// hand that asks for a human.
import { byId, h, icon, show } from "./dom.js";

/** @typedef {import("../chat/conversation.js").Conversation} Conversation */
/** @typedef {import("../chat/log.js").SessionState} SessionState */

export class Presence {
  /** @param {() => void} raise what the hand's button does */
  constructor(raise) {
    byId("hand").addEventListener("click", raise);
  }

  /** @param {Conversation | null} conversation @param {boolean} told the change is spoken elsewhere */
  draw(conversation, told = false) {
    const state = conversation?.state.ready ? conversation.state : null;
    const text = state ? presenceWords(state, conversation?.typing ?? null, Date.now()) : "";
    const presence = byId("presence");
    show(presence, text !== "");
    if (presence.dataset.text !== text) {
      presence.dataset.text = text;
      const glyph = state?.control === "tutor" ? "person" : state?.hand?.claimedBy ? "hand" : "eye";
      presence.replaceChildren(icon(glyph), h("span", {}, text));
      if (text && !told) byId("status").textContent = text;
    }
    this.#drawHand(state);
    this.#drawHeld(state);
  }

  /** @param {SessionState | null} state */
  #drawHand(state) {
    const hand = byId("hand");
    const raised = state?.handRaised === true;
    show(hand, state?.you?.role === "student" && state.control === "ai");
    if (hand.getAttribute("aria-pressed") === String(raised) && hand.childNodes.length) return;
    hand.setAttribute("aria-pressed", String(raised));
    hand.replaceChildren(icon("hand"), h("span", {}, raised ? "Hand is up" : "Ask a human"));
  }

  /** Above the place to write, while a human holds it. @param {SessionState | null} state */
  #drawHeld(state) {
    const held = state?.control === "tutor" && state.you?.role === "student";
    const line = byId("held");
    show(line, held);
    byId("composer").toggleAttribute("data-held", held);
    const name = state?.tutor?.name || "your tutor";
    if (!held || line.dataset.name === name) return;
    line.dataset.name = name;
    line.replaceChildren(icon("person"), h("span", {}, `You are writing to ${name}, a human tutor.`));
  }
}

/**
 * @param {SessionState} state
 * @param {{name: string, until: number} | null} typing
 * @param {number} now
 */
export function presenceWords(state, typing, now) {
  const helper = state.control === "tutor" ? state.tutor : null;
  const comes = helper ? null : (state.hand?.claimedBy ?? null);
  const others = state.watchers.filter((watcher) => ![helper?.id, comes?.id, state.you?.id].includes(watcher.id));
  return [
    helper && `${helper.name || "Your tutor"} is helping you now`,
    comes && `${comes.name || "A tutor"} is coming`,
    typing && typing.until > now && `${typing.name || "Your tutor"} is writing…`,
    others.length > 0 && `${names(others.map((watcher) => watcher.name))} reading along`,
  ].filter(Boolean).join(" · ");
}

/** @param {string[]} people */
function names(people) {
  const known = people.map((name) => name || "A tutor");
  return known.length === 1 ? `${known[0]} is` : `${known.slice(0, -1).join(", ")} and ${known.at(-1)} are`;
}
