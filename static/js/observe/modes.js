// The three ways in which a tutor speaks, and what each of them means as things stand. Pure.

/** @typedef {"whisper" | "say" | "take_over"} Mode */
/** @typedef {import("../chat/log.js").SessionState} SessionState */
/** @typedef {import("./sent.js").Sent} Sent */

export const modes = /** @type {Mode[]} */ (["whisper", "say", "take_over"]);

/** @type {Record<string, Mode>} */
const keys = { w: "whisper", s: "say", t: "take_over" };

/** @type {Record<Mode, {glyph: string, label: string, key: string}>} */
export const looks = {
  whisper: { glyph: "whisper", label: "Whisper to the AI", key: "W" },
  say: { glyph: "person", label: "Say to the student", key: "S" },
  take_over: { glyph: "hand", label: "Take over", key: "T" },
};

/** @param {{key: string, ctrlKey?: boolean, metaKey?: boolean, altKey?: boolean, isComposing?: boolean}} event @returns {Mode | null} */
export function modeOfKey({ key, ctrlKey, metaKey, altKey, isComposing }) {
  return ctrlKey || metaKey || altKey || isComposing ? null : (keys[key.toLowerCase()] ?? null);
}

/** @param {SessionState} state @returns {"me" | "other" | "nobody"} */
export function holder(state) {
  if (state.control !== "tutor") return "nobody";
  return state.tutor?.id === state.you?.id ? "me" : "other";
}

/**
 * @param {Mode} mode @param {SessionState} state @param {string} student their name
 * @returns {{label: string, hint: string, placeholder: string, send: string, empty: boolean, able: boolean}}
 *   `empty`: may be sent without a word
 */
export function lookOf(mode, state, student) {
  const who = holder(state);
  const tutor = state.tutor?.name || "Another tutor";
  const common = { label: looks[mode].label, empty: false, able: true };
  if (mode === "whisper") {
    const hint = who === "nobody" ? `Only the AI reads this. ${student} never sees it.` : `Only the AI reads this, once it answers again. ${student} never sees it.`;
    return { ...common, hint, placeholder: "Guide the AI…", send: "Whisper" };
  }
  if (mode === "say") {
    const hint = who === "nobody" ? `${student} reads this, under your name. The AI goes on answering.` : `${student} reads this, under your name.`;
    return { ...common, hint, placeholder: `Write to ${student}…`, send: "Say" };
  }
  if (who === "me") return { ...common, label: "You are in charge", hint: `The AI is silent. ${student} reads what you write.`, placeholder: `Write to ${student}…`, send: "Send" };
  if (who === "other") return { ...common, hint: `${tutor} is in charge here already.`, placeholder: "", send: "Take over", able: false };
  return { ...common, hint: "The AI falls silent at once, until you hand back.", placeholder: `Write to ${student}, if you like…`, send: "Take over", empty: true };
}

/**
 * What to send. Words that go with a take-over are said once it has worked, and not if another tutor was faster.
 * @param {Mode} mode @param {string} text @param {SessionState} state @param {{id: string, until: string}} more
 * @returns {Sent | null} null: nothing
 */
export function commandOf(mode, text, state, { id, until }) {
  const said = text.trim();
  if (mode === "take_over" && holder(state) === "nobody") return { type: "take_over", id, ...(said ? { then: said } : {}) };
  if (!said || (mode === "take_over" && holder(state) === "other")) return null;
  if (mode === "whisper") return { type: "whisper", id, text: said, until };
  return { type: "say", id, text: said };
}

/** Whether others may see that the tutor writes: never of a whisper. @param {Mode} mode @param {SessionState} state */
export const tellsTyping = (mode, state) => mode === "say" || (mode === "take_over" && holder(state) === "me");

/** Which draft a text goes back to. @param {Sent} sent @returns {{mode: Mode, text: string} | null} */
export function draftOf({ type, text = "", then = "" }) {
  if (type === "take_over" && then) return { mode: "take_over", text: then };
  return (type === "whisper" || type === "say") && text ? { mode: type, text } : null;
}
