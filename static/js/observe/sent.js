// What a tutor has commanded and the server has not yet answered. Each command is answered in its own way: by
// `accepted`, by the whisper itself, by the state that it asked for, or by a refusal that names it. Pure.

/**
 * @typedef {object} Command
 * @property {"whisper" | "withdraw" | "say" | "correct" | "take_over" | "hand_back" | "claim" | "stop" | "lower_hand"} type
 * @property {string} id
 * @property {string} [text]
 * @property {string} [until]
 * @property {string} [summary]
 * @property {string} [message]
 * @property {string} [whisper]
 */
/** `then`: what to say once this has worked; `at`: when it was sent. @typedef {Command & {then?: string, at?: number}} Sent */

/** More than a person can have open at once; the oldest is forgotten, and its refusal then told without its text. */
const most = 32;

/** @param {Sent[]} sent @param {Sent} entry */
export const remember = (sent, entry) => [...sent, entry].slice(-most);

/** As it goes over the line. @param {Sent} entry @returns {Command} */
export function toFrame({ then, at, ...command }) {
  return command;
}

/** What is said again after a cut: the server takes each id once. What was meant for that moment only is not. @param {Sent[]} sent */
export const toSayAgain = (sent) => sent.filter(({ type }) => type !== "stop" && type !== "lower_hand");

/** Whoever takes over or comes is there now: after this long they may not be. */
const ofUse = 10_000;

/** What is too old to be said again, and what is left. @param {Sent[]} sent @param {number} now */
export function outlived(sent, now) {
  const isLate = (/** @type {Sent} */ { type, at = now }) => (type === "take_over" || type === "claim") && now - at > ofUse;
  return { late: sent.filter(isLate), left: sent.filter((entry) => !isLate(entry)) };
}

/**
 * @param {Sent[]} sent
 * @param {any} frame
 * @param {string} me the tutor's own id
 * @returns {{left: Sent[], done: Sent[], refused: {entry: Sent | null, code: string, message: string} | null}}
 */
export function settle(sent, frame, me) {
  const ctl = frame?.ctl;
  if (ctl?.type === "error") {
    const entry = sent.find((each) => each.id === ctl.command_id) ?? null;
    return { left: sent.filter((each) => each !== entry), done: [], refused: { entry, code: ctl.code, message: ctl.message ?? "" } };
  }
  const done = ctl ? sent.filter((entry) => isAnswered(entry, ctl, me)) : [];
  return { left: done.length ? sent.filter((entry) => !done.includes(entry)) : sent, done, refused: null };
}

/** @param {Sent} entry @param {any} ctl @param {string} me */
function isAnswered(entry, ctl, me) {
  switch (ctl.type) {
    case "accepted":
      return entry.id === ctl.id;
    case "whispered":
      return entry.id === ctl.id || (entry.whisper === ctl.id && ctl.state !== "waiting");
    case "state":
      return asWished(entry.type, ctl, me);
    case "ready":
      // That the AI speaks does not say that it was told the summary.
      return !entry.summary && asWished(entry.type, ctl.state ?? {}, me);
    default:
      return false;
  }
}

/** @param {string} type @param {any} state @param {string} me */
function asWished(type, state, me) {
  switch (type) {
    case "take_over":
      return state.control === "tutor" && state.tutor?.id === me;
    case "hand_back":
      return state.control === "ai";
    case "claim":
      return state.hand?.claimed_by?.id === me;
    case "lower_hand":
      return state.hand_raised === false;
    case "stop":
      return state.run === null;
    default:
      return false;
  }
}
