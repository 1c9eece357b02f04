// The session log as this page sees it: a pure reducer from the server's frames to what is on the screen.
//
// The server numbers its entries 1, 2, 3… within an epoch. An entry that was already seen is ignored and a
// missing one sets `gap`, upon which the page comes back to the session by epoch and number. So whatever is
// cut, replayed or sent twice, the text is that of the log.

import { addLines, keepPlaces, whatHappened } from "./lines.js";

/** @typedef {"student" | "assistant" | "tutor"} Author */
/** @typedef {"complete" | "stopped" | "failed" | "interrupted" | "streaming" | "queued"} Status */
/**
 * @typedef {object} Message
 * @property {string} id
 * @property {Author} author
 * @property {string} name       a person's name, where it is known
 * @property {string} text
 * @property {Status} status
 * @property {string} reason     finish reason or error code, once it is over
 * @property {string} runId
 * @property {string} createdAt
 * @property {string} corrects    the answer that a tutor's message replaces; "" if none
 * @property {string[]} files    ids of what came with it
 * @property {string} correctedBy the tutor's message that replaces this answer; "" if none
 * @property {boolean} [superseded] it was replaced by an edit or another answer; only a replay still shows it
 */
/**
 * @typedef {object} SessionState
 * @property {string | null} epoch
 * @property {number} seq        the last entry that was applied
 * @property {boolean} ready     the state below is the server's
 * @property {boolean} gap       an entry is missing: come back
 * @property {{id: string, role: string} | null} you
 * @property {"ai" | "tutor"} control
 * @property {{id: string, name: string} | null} tutor
 * @property {boolean} handRaised
 * @property {{since: string, claimedBy: {id: string, name: string} | null} | null} hand only while a hand is up
 * @property {{id: string, name: string}[]} watchers
 * @property {boolean} tutorSeen  who holds control was shown among the watchers
 * @property {import("./lines.js").TutorLine[]} lines what humans did, between the messages
 * @property {string | null} run the active run
 * @property {string} speaking   the run that the entries are in: behind `run` while old ones are replayed
 * @property {boolean} thinking  the model reasons and has not spoken yet
 * @property {Message[]} messages
 * @property {boolean} hasMore   there are earlier messages
 */

/** @type {SessionState} */
export const emptySession = Object.freeze({
  epoch: null,
  seq: 0,
  ready: false,
  gap: false,
  you: null,
  control: "ai",
  tutor: null,
  handRaised: false,
  hand: null,
  watchers: [],
  tutorSeen: false,
  lines: [],
  run: null,
  speaking: "",
  thinking: false,
  messages: [],
  hasMore: false,
});

/**
 * @param {SessionState} state
 * @param {any} frame as it came from the socket
 * @returns {SessionState}
 */
export function applyFrame(state, frame) {
  if (frame?.ctl) return control(state, frame.ctl);
  if (typeof frame?.seq !== "number" || !frame.ev) return state;
  if (state.gap || frame.seq <= state.seq) return state;
  if (frame.seq !== state.seq + 1) return { ...state, gap: true };
  return event({ ...state, seq: frame.seq }, frame.ev);
}

/**
 * Puts an earlier page of messages in front.
 * @param {SessionState} state
 * @param {any[]} items oldest first, as REST gives them
 * @param {boolean} hasMore
 * @returns {SessionState}
 */
export function prependMessages(state, items, hasMore) {
  const known = new Set(state.messages.map((message) => message.id));
  const earlier = items.map(fromRest).filter((message) => !known.has(message.id));
  return { ...state, messages: [...earlier, ...state.messages], hasMore };
}

/** @param {SessionState} state @param {any} ctl @returns {SessionState} */
function control(state, ctl) {
  switch (ctl.type) {
    case "ready": {
      const next = { ...told(state, ctl.state), epoch: ctl.epoch, you: ctl.you ?? null, ready: true, gap: false };
      return ctl.resumed ? next : { ...next, seq: ctl.head };
    }
    case "snapshot":
      return snapshot(state, ctl);
    case "state":
      return told(state, ctl);
    default:
      return state;
  }
}

/** @param {SessionState} state @param {any} [source] @returns {SessionState} */
function told(state, source = {}) {
  /** @type {import("./lines.js").Control} */
  const now = {
    control: source.control === "tutor" ? "tutor" : "ai",
    tutor: source.tutor ?? null,
    handRaised: source.hand_raised === true,
    hand: source.hand ? { since: source.hand.since ?? "", claimedBy: source.hand.claimed_by ?? null } : null,
    watchers: source.watchers ?? [],
  };
  const holds = now.control === "tutor" && now.watchers.some((watcher) => watcher.id === now.tutor?.id);
  const tutorSeen = holds || (now.control === "tutor" && state.tutorSeen && now.tutor?.id === state.tutor?.id);
  // Before the first state nothing is known, so nothing has happened.
  const news = state.ready ? whatHappened(state, now, state.tutorSeen) : [];
  const lines = addLines(state.lines, news, state.messages.findLast((message) => message.status !== "queued")?.id ?? "");
  return { ...state, ...now, tutorSeen, lines, run: source.run ?? null };
}

/** @param {SessionState} state @param {any} ctl @returns {SessionState} */
function snapshot(state, ctl) {
  const messages = /** @type {Message[]} */ ((ctl.messages ?? []).map(fromRest));
  // Earlier pages that the reader has already loaded stay, if the new list begins inside of what is known.
  const overlap = messages.length ? state.messages.findIndex((message) => message.id === messages[0].id) : -1;
  const earlier = overlap > 0 && ctl.has_more ? state.messages.slice(0, overlap) : [];
  const hasMore = earlier.length ? state.hasMore : ctl.has_more === true;
  const all = [...earlier, ...messages];
  return { ...state, seq: ctl.head, gap: false, speaking: state.run ?? "", thinking: false, messages: all, lines: keepPlaces(state.lines, state.messages, all), hasMore };
}

/** @param {any} item as REST gives it @returns {Message} */
export function fromRest(item) {
  const kind = item.author?.kind;
  return {
    id: item.id,
    author: kind === "tutor" || kind === "assistant" ? kind : item.role === "assistant" ? "assistant" : "student",
    name: item.author?.name ?? "",
    text: item.content ?? "",
    status: item.status ?? "complete",
    reason: item.error ?? item.finish_reason ?? "",
    runId: item.run_id ?? "",
    createdAt: item.created_at ?? "",
    corrects: item.corrects ?? "",
    correctedBy: item.corrected_by ?? "",
    files: item.files ?? [],
  };
}

/** @param {SessionState} state @param {any} ev @returns {SessionState} */
function event(state, ev) {
  switch (ev.type) {
    case "RUN_STARTED": {
      const gone = new Set(ev.metadata?.fynq?.supersedes ?? []);
      const messages = gone.size ? without(state.messages, gone) : state.messages;
      return { ...state, run: ev.runId, speaking: ev.runId, thinking: false, messages, lines: keepPlaces(state.lines, state.messages, messages) };
    }
    case "REASONING_START":
    case "REASONING_MESSAGE_START":
    // What it looks up is part of its thinking.
    case "TOOL_CALL_START":
      return { ...state, thinking: true };
    case "TEXT_MESSAGE_START":
      return begin(state, ev);
    case "TEXT_MESSAGE_CONTENT":
      return change(state, ev.messageId, (message) => ({ ...message, text: message.text + ev.delta }));
    case "TEXT_MESSAGE_END":
      return change(state, ev.messageId, (message) => ({ ...message, status: "complete" }));
    case "RUN_FINISHED":
      return finish(state, ev.runId ?? state.speaking, ev.result?.finish_reason ?? "stop");
    case "RUN_ERROR":
      return fail(state, ev.runId ?? state.speaking, ev.code ?? "internal");
    default:
      return state;
  }
}

/** @param {SessionState} state @param {any} ev @returns {SessionState} */
function begin(state, ev) {
  /** @type {Author} */
  const author = ev.role === "user" ? "student" : ev.metadata?.fynq?.author === "tutor" ? "tutor" : "assistant";
  /** @type {Message} */
  const message = {
    id: ev.messageId,
    author,
    name: ev.name ?? "",
    text: "",
    status: "streaming",
    reason: "",
    runId: state.speaking,
    createdAt: typeof ev.timestamp === "number" ? new Date(ev.timestamp).toISOString() : "",
    corrects: ev.metadata?.fynq?.corrects ?? "",
    correctedBy: "",
    files: ev.metadata?.fynq?.files ?? [],
  };
  const others = message.corrects ? strike(state.messages, message.corrects, message.id) : state.messages;
  return { ...state, thinking: author === "assistant" ? false : state.thinking, messages: append(others, message) };
}

/** @param {Message[]} messages @param {string} struck @param {string} by @returns {Message[]} */
function strike(messages, struck, by) {
  return messages.map((message) => (message.id === struck ? { ...message, correctedBy: by } : message));
}

/** An answer whose correction is gone counts again, or by the correction before. @param {Message[]} messages @param {Set<string>} gone */
function without(messages, gone) {
  const left = messages.filter((message) => !gone.has(message.id));
  return left.map((message) =>
    gone.has(message.correctedBy) ? { ...message, correctedBy: left.findLast((each) => each.corrects === message.id)?.id ?? "" } : message,
  );
}

/**
 * A question that waited was in the list already; its place is where its run begins. What still waits stays last.
 * @param {Message[]} messages @param {Message} message
 */
function append(messages, message) {
  const others = messages.filter((each) => each.id !== message.id);
  const waits = others.findIndex((each) => each.status === "queued");
  return waits < 0 ? [...others, message] : others.toSpliced(waits, 0, message);
}

/**
 * @param {SessionState} state @param {string} id @param {(message: Message) => Message} how
 * @returns {SessionState}
 */
function change(state, id, how) {
  const at = state.messages.findLastIndex((message) => message.id === id);
  return at < 0 ? state : { ...state, messages: state.messages.with(at, how(state.messages[at])) };
}

/** @param {SessionState} state @param {string} runId @param {string} reason @returns {SessionState} */
function finish(state, runId, reason) {
  /** @type {Status} */
  const status = reason === "stopped" || reason === "taken_over" ? "stopped" : "complete";
  return { ...endRun(state, runId, status, reason), run: null, thinking: false };
}

/** @param {SessionState} state @param {string} runId @param {string} code @returns {SessionState} */
function fail(state, runId, code) {
  /** @type {Status} */
  const status = code === "interrupted" ? "interrupted" : "failed";
  const spoke = state.messages.some((message) => message.author === "assistant" && message.runId === runId);
  const silent = { id: `run:${runId}`, name: "", text: "", createdAt: "", corrects: "", correctedBy: "", files: [], runId };
  const messages = spoke ? state.messages : append(state.messages, { ...silent, author: "assistant", status, reason: code });
  return { ...endRun({ ...state, messages }, runId, status, code), run: null, thinking: false };
}

/**
 * Only what the model said in the run ends with it; a tutor's words in it stand as they are.
 * @param {SessionState} state @param {string} runId @param {Status} status @param {string} reason
 * @returns {SessionState}
 */
function endRun(state, runId, status, reason) {
  const messages = state.messages.map((message) =>
    message.runId === runId && message.author === "assistant" ? { ...message, status, reason } : message,
  );
  return { ...state, messages };
}
