// The session log as this page sees it: a pure reducer from the server's frames to what is on the screen.
//
// The server numbers its entries 1, 2, 3… within an epoch. An entry that was already seen is ignored and a
// missing one sets `gap`, upon which the page comes back to the session by epoch and number. So whatever is
// cut, replayed or sent twice, the text is that of the log.

/** @typedef {"student" | "assistant" | "tutor"} Author */
/** @typedef {"complete" | "stopped" | "failed" | "interrupted" | "streaming" | "queued"} Status */
/**
 * @typedef {object} Message
 * @property {string} id
 * @property {Author} author
 * @property {string} name       a tutor's name
 * @property {string} text
 * @property {Status} status
 * @property {string} reason     finish reason or error code, once it is over
 * @property {string} runId
 * @property {string} createdAt
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
 * @property {{id: string, name: string}[]} watchers
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
  watchers: [],
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
      const next = { ...state, ...shared(ctl.state), epoch: ctl.epoch, you: ctl.you ?? null, ready: true, gap: false };
      return ctl.resumed ? next : { ...next, seq: ctl.head };
    }
    case "snapshot":
      return snapshot(state, ctl);
    case "state":
      return { ...state, ...shared(ctl) };
    default:
      return state;
  }
}

/** @param {any} [source] @returns {Partial<SessionState>} */
function shared(source = {}) {
  return {
    control: source.control === "tutor" ? "tutor" : "ai",
    tutor: source.tutor ?? null,
    handRaised: source.hand_raised === true,
    watchers: source.watchers ?? [],
    run: source.run ?? null,
  };
}

/** @param {SessionState} state @param {any} ctl @returns {SessionState} */
function snapshot(state, ctl) {
  const messages = /** @type {Message[]} */ ((ctl.messages ?? []).map(fromRest));
  // Earlier pages that the reader has already loaded stay, if the new list begins inside of what is known.
  const overlap = messages.length ? state.messages.findIndex((message) => message.id === messages[0].id) : -1;
  const earlier = overlap > 0 && ctl.has_more ? state.messages.slice(0, overlap) : [];
  const hasMore = earlier.length ? state.hasMore : ctl.has_more === true;
  return { ...state, seq: ctl.head, gap: false, speaking: state.run ?? "", thinking: false, messages: [...earlier, ...messages], hasMore };
}

/** @param {any} item @returns {Message} */
function fromRest(item) {
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
  };
}

/** @param {SessionState} state @param {any} ev @returns {SessionState} */
function event(state, ev) {
  switch (ev.type) {
    case "RUN_STARTED": {
      const gone = new Set(ev.metadata?.fynq?.supersedes ?? []);
      const messages = gone.size ? state.messages.filter((message) => !gone.has(message.id)) : state.messages;
      return { ...state, run: ev.runId, speaking: ev.runId, thinking: false, messages };
    }
    case "REASONING_START":
    case "REASONING_MESSAGE_START":
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
  };
  return { ...state, thinking: author === "assistant" ? false : state.thinking, messages: append(state.messages, message) };
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
  const silent = { id: `run:${runId}`, name: "", text: "", createdAt: "", runId };
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
