// What is said plainly between the messages when a human comes and goes: read off two states that follow on each
// other, so that it can be said again after any cut. Pure.

/** @typedef {{id: string, name: string}} Person */
/** @typedef {"took_over" | "handed_back" | "left" | "ended" | "coming" | "not_coming"} LineKind */
/**
 * @typedef {object} TutorLine
 * @property {string} id
 * @property {string} after  the message it stands behind; "" before all of them
 * @property {LineKind} kind
 * @property {Person} who
 */
/**
 * @typedef {object} Control who speaks, who is there, and whose hand is up
 * @property {"ai" | "tutor"} control
 * @property {Person | null} tutor
 * @property {boolean} handRaised
 * @property {{since: string, claimedBy: Person | null} | null} hand
 * @property {Person[]} watchers
 */

/** Lines are few; a session that stays open for a week must not collect them without end. */
const most = 200;

/**
 * What has happened from one state to the next.
 * @param {Control} before @param {Control} now
 * @param {boolean} seen whether the tutor who held control was ever among those who are shown as being there
 * @returns {{kind: LineKind, who: Person}[]}
 */
export function whatHappened(before, now, seen) {
  const found = [];
  const was = before.control === "tutor" ? before.tutor : null;
  const is = now.control === "tutor" ? now.tutor : null;
  if (is && is.id !== was?.id) found.push({ kind: /** @type {const} */ ("took_over"), who: is });
  if (was && now.control === "ai") found.push({ kind: howItEnded(was, now, seen), who: was });
  const came = before.hand?.claimedBy ?? null;
  const comes = now.hand?.claimedBy ?? null;
  if (comes && comes.id !== came?.id && comes.id !== is?.id) found.push({ kind: /** @type {const} */ ("coming"), who: comes });
  if (came && !comes && now.handRaised && now.control === "ai") found.push({ kind: /** @type {const} */ ("not_coming"), who: came });
  return found;
}

/**
 * Who hands back is there to do it. Who is not there has left, unless nobody is ever shown as being there: then
 * nothing can be said of it.
 * @param {Person} tutor @param {Control} now @param {boolean} seen
 * @returns {LineKind}
 */
function howItEnded(tutor, now, seen) {
  if (now.watchers.some((watcher) => watcher.id === tutor.id)) return "handed_back";
  return seen ? "left" : "ended";
}

/**
 * @param {TutorLine[]} lines @param {{kind: LineKind, who: Person}[]} news @param {string} after
 * @returns {TutorLine[]}
 */
export function addLines(lines, news, after) {
  if (!news.length) return lines;
  const from = Number(lines.at(-1)?.id.slice(5) ?? 0);
  const added = news.map(({ kind, who }, index) => ({ id: `line:${from + index + 1}`, after, kind, who }));
  return [...lines, ...added].slice(-most);
}

/**
 * A line whose message is gone stands behind the one before it.
 * @param {TutorLine[]} lines @param {{id: string}[]} before @param {{id: string}[]} now
 * @returns {TutorLine[]}
 */
export function keepPlaces(lines, before, now) {
  if (!lines.length || before === now) return lines;
  const there = new Set(now.map((message) => message.id));
  if (lines.every((line) => !line.after || there.has(line.after))) return lines;
  const order = before.map((message) => message.id);
  return lines.map((line) => {
    if (!line.after || there.has(line.after)) return line;
    const after = order.slice(0, order.indexOf(line.after) + 1).findLast((id) => there.has(id)) ?? "";
    return { ...line, after };
  });
}
