// Why a tutor's command was refused, in plain words and with the name of who was there first. Pure.
import { sentence } from "../words.js";

/** @typedef {import("./sent.js").Sent} Sent */

/** What a code means for one command, where that is more than it means for all. @type {Record<string, Record<string, string>>} */
const perCommand = {
  invalid_command: {
    correct: "This answer can't be corrected any more.",
    withdraw: "This whisper was used or withdrawn already.",
    claim: "The hand is down already.",
    hand_back: "Nobody is in charge: the AI answers already.",
  },
  queue_full: { whisper: "A lot of guidance is waiting already. Withdraw some of it first." },
};

/** @type {Record<string, string>} */
const forTutors = {
  rate_limited: "That was a bit fast. Try again in a moment.",
  draining: "We are updating fynq. Try again in a moment.",
  storage_unavailable: "Nothing can be saved right now, so nothing was done. Try again in a moment.",
  too_late: "The connection was gone for a while, so this was not done.",
  offline: "There is no connection right now, so nothing was done.",
};

/**
 * @param {{entry: Sent | null, code: string, message?: string}} refusal
 * @param {import("../chat/log.js").SessionState} state
 */
export function refusalWords({ entry, code, message = "" }, state) {
  const type = entry?.type ?? "";
  if (code === "control_held") return held(type, state) || message || sentence(code);
  return perCommand[code]?.[type] ?? forTutors[code] ?? sentence(code);
}

/** @param {string} type @param {import("../chat/log.js").SessionState} state */
function held(type, { tutor, hand }) {
  if (type === "claim") return hand?.claimedBy && `${hand.claimedBy.name || "Another tutor"} is coming already.`;
  const name = tutor && (tutor.name || "Another tutor");
  if (type === "hand_back") return name && `Only ${name} or an admin can hand back.`;
  return name && `${name} is in charge here already.`;
}
