// What tutors have whispered to the model about one session, as this tutor knows it. Pure.
//
// The server tells of each whisper as it changes, and after a cut of all that still wait. What waited before and is
// not among them has been used or withdrawn meanwhile; which of the two, its history says.

/**
 * @typedef {object} Whisper
 * @property {string} id
 * @property {{id: string, name: string}} by
 * @property {string} text
 * @property {"next" | "withdrawn"} until
 * @property {"whisper" | "summary"} kind
 * @property {"waiting" | "used" | "withdrawn" | "over"} state `over`: it waits no more, and why is not known yet
 * @property {string} at
 */

/** What is over is a look back, not a record: that is the replay's. */
const most = 60;

/** @param {Whisper[]} list newest first @param {any} ctl @returns {Whisper[]} */
export function applyGuidance(list, ctl) {
  if (ctl?.type === "whispered") return put(list, [read(ctl)]);
  if (ctl?.type !== "guidance") return list;
  const waiting = /** @type {Whisper[]} */ ((ctl.items ?? []).map(read));
  const ids = new Set(waiting.map((each) => each.id));
  const others = list.map((each) => (each.state === "waiting" && !ids.has(each.id) ? { ...each, state: /** @type {const} */ ("over") } : each));
  return put(others, waiting);
}

/** A page of the history. It may be older than what the socket has said since. @param {Whisper[]} list @param {any[]} items */
export function addHistory(list, items) {
  const known = new Map(list.map((each) => [each.id, each.state]));
  const older = (/** @type {Whisper} */ each) => each.state === "waiting" && known.has(each.id) && known.get(each.id) !== "waiting";
  return put(list, items.map(read).filter((each) => !older(each)));
}

/** @param {Whisper[]} list */
export const waitingOf = (list) => list.filter((each) => each.state === "waiting");

/** @param {Whisper[]} list @param {Whisper[]} fresh @returns {Whisper[]} */
function put(list, fresh) {
  const all = new Map([...list, ...fresh].map((each) => [each.id, each]));
  const sorted = [...all.values()].sort((a, b) => (a.at === b.at ? (a.id < b.id ? 1 : -1) : a.at < b.at ? 1 : -1));
  const rest = sorted.filter((each) => each.state !== "waiting").slice(0, most);
  return sorted.filter((each) => each.state === "waiting" || rest.includes(each));
}

/** @param {any} item @returns {Whisper} */
function read(item) {
  return {
    id: item.id,
    by: item.by ?? { id: "", name: "" },
    text: item.text ?? "",
    until: item.until === "withdrawn" ? "withdrawn" : "next",
    kind: item.kind === "summary" ? "summary" : "whisper",
    state: item.state ?? "waiting",
    at: item.at ?? "",
  };
}
