// A session as it streamed: what was on the screen at any moment of it, and what happened when. Pure.
//
// Times are real ones until they are `played`: stretches in which nothing happened are shortened, so that an hour
// in which a student thought is no hour of waiting.
import { fromRest } from "../chat/log.js";

/** @typedef {import("../chat/log.js").Message} Message */
/** @typedef {import("../net/tutoring.js").Replay} Replay */
/**
 * @typedef {object} Mark something on the time line
 * @property {string} id
 * @property {number} at     when it is played, in ms from the beginning
 * @property {number} real   when it was, in ms since 1970
 * @property {"act" | "signal"} what
 * @property {string} kind
 * @property {string} by
 * @property {string} text   of a whisper, or why of a signal
 */
/** @typedef {{message: Message, standing: Message, real: number, steps: [number, number][], bytes: Uint8Array}} Track `standing`: before it was corrected; `steps`: real time, bytes by then */
/** @typedef {{length: number, marks: Mark[], tracks: Track[], played: (real: number) => number}} Timeline */

const longestQuiet = 4000;
const shortened = 1500;

/** @param {Replay[]} pages @param {{short?: boolean}} [options] `short`: quiet stretches are shortened @returns {Timeline} */
export function timelineOf(pages, { short = true } = {}) {
  const tracks = pages.flatMap((page) => page.messages).map(trackOf).sort((a, b) => a.real - b.real);
  const marks = marksOf(pages);
  const moments = [...tracks.flatMap(({ real, steps }) => [real, ...steps.map(([at]) => at)]), ...marks.map((mark) => mark.real)];
  const played = clock(moments.filter(Number.isFinite).sort((a, b) => a - b), short);
  const timed = marks.map((mark) => ({ ...mark, at: played(mark.real) })).sort((a, b) => a.at - b.at);
  const end = moments.reduce((latest, moment) => (moment > latest ? moment : latest), -Infinity);
  return { length: Number.isFinite(end) ? played(end) : 0, marks: timed, tracks, played };
}

/** @param {any} item @returns {Track} */
function trackOf(item) {
  const message = { ...fromRest(item), superseded: item.superseded === true };
  const real = Date.parse(message.createdAt);
  const bytes = new TextEncoder().encode(message.text);
  let sum = 0;
  /** @type {[number, number][]} */
  const steps = (item.pace ?? []).map((/** @type {[number, number]} */ [ms, more]) => [real + ms, Math.min(bytes.length, (sum += more))]);
  // What its pace does not tell of came with its last step.
  if (steps.length) steps[steps.length - 1][1] = bytes.length;
  return { message, standing: { ...message, correctedBy: "" }, real, steps, bytes };
}

/** Acts and signals come with every page; each counts once. @param {Replay[]} pages @returns {Mark[]} */
function marksOf(pages) {
  const acts = new Map(pages.flatMap((page) => page.acts ?? []).map((act) => [act.id, act]));
  const signals = new Map(pages.flatMap((page) => page.signals ?? []).map((signal) => [`${signal.kind} ${signal.started_at}`, signal]));
  return [
    ...[...acts.values()].map(({ id, at, kind, by, whisper }) => mark(`act:${id}`, "act", kind, at, by?.name ?? "", whisper?.text ?? "")),
    ...[...signals].map(([id, { kind, started_at, why }]) => mark(`signal:${id}`, "signal", kind, started_at, "", why)),
  ];
}

/** @param {string} id @param {"act" | "signal"} what @param {string} kind @param {string} time @param {string} by @param {string} text @returns {Mark} */
const mark = (id, what, kind, time, by, text) => ({ id, what, kind, by, text, real: Date.parse(time), at: 0 });

/** From real time to played time. @param {number[]} moments in order @param {boolean} short */
function clock(moments, short) {
  let at = 0;
  const times = moments.map((moment, index) => {
    const gap = index ? moment - moments[index - 1] : 0;
    return (at += short && gap > longestQuiet ? shortened : gap);
  });
  return (/** @type {number} */ real) => {
    const index = lastUpTo(moments, real);
    if (index < 0) return 0;
    const next = index + 1 < times.length ? times[index + 1] : Infinity;
    return Math.min(times[index] + real - moments[index], next);
  };
}

/** The place of the last one that is not later; -1 if all are. @param {number[]} sorted @param {number} limit */
function lastUpTo(sorted, limit) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/**
 * The messages as they were at a moment.
 * @param {Timeline} timeline @param {number} at in played time
 * @returns {Message[]}
 */
export function messagesAt(timeline, at) {
  const { tracks, played } = timeline;
  const begun = tracks.filter(({ real }) => played(real) <= at);
  const there = new Set(begun.map(({ message }) => message.id));
  return begun.map((track) => {
    const { steps, bytes } = track;
    const message = there.has(track.message.correctedBy) ? track.message : track.standing;
    const count = steps.length ? (steps.findLast(([real]) => played(real) <= at)?.[1] ?? 0) : bytes.length;
    const over = count >= bytes.length;
    if (over) return message;
    // Half of a character is not shown: what its other half brings shows all of it.
    const text = new TextDecoder().decode(bytes.subarray(0, count), { stream: true });
    return { ...message, text, status: /** @type {const} */ ("streaming"), reason: "" };
  });
}

/** The message behind which a mark stands. @param {Timeline} timeline @param {Mark} mark */
export const placeOf = ({ tracks }, { real }) => tracks.findLast((track) => track.real <= real)?.message.id ?? "";
