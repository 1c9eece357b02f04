// Practising: a deck of cards that is turned and leafed through, and what a choice comes to. Pure.

/** @typedef {{front: string, back: string}} FlashCard */
/** @typedef {{question: string, choices?: string[], answer: string, explanation?: string}} PracticeQuestion */
/** @typedef {FlashCard | PracticeQuestion} StudyItem */
/** @typedef {"flash_cards" | "practice_questions"} StudyKind */
/**
 * @typedef {object} StudySet
 * @property {string} id
 * @property {StudyKind} kind
 * @property {"draft" | "published"} state
 * @property {number} of_version
 * @property {any[]} items
 * @property {string} [model]
 * @property {string} created_at
 * @property {string} updated_at
 */
/** @typedef {{label: string, text: string}} SheetProblem */
/** @typedef {{at: number, turned: boolean}} Deck */

/** @type {Record<StudyKind, {name: string, make: string, one: string}>} */
export const studyKinds = {
  flash_cards: { name: "Flash cards", make: "Make flash cards", one: "card" },
  practice_questions: { name: "Practice questions", make: "Make practice questions", one: "question" },
};

/** @type {Deck} */
export const newDeck = { at: 0, turned: false };

/** Each card shows its front first; behind the last comes the first. @param {Deck} deck @param {number} by @param {number} of @returns {Deck} */
export const leaf = ({ at }, by, of) => ({ at: of > 0 ? (((at + by) % of) + of) % of : 0, turned: false });

/** @param {Deck} deck @returns {Deck} */
export const turn = ({ at, turned }) => ({ at, turned: !turned });

/** What a key does to a deck; `null`: nothing. @param {string} key @param {Deck} deck @param {number} of @returns {Deck | null} */
export function pressed(key, deck, of) {
  if (key === " ") return turn(deck);
  if (key === "ArrowRight") return leaf(deck, 1, of);
  if (key === "ArrowLeft") return leaf(deck, -1, of);
  return null;
}

/** @param {PracticeQuestion} question @param {string} choice */
export const isRight = (question, choice) => question.choices?.includes(choice) === true && choice === question.answer;

/** Calm either way. @param {PracticeQuestion} question @param {string} choice */
export const feedback = (question, choice) => (isRight(question, choice) ? "Yes, that is it." : "Not quite. Look again, or see the answer.");

/** What a student asks about one of a worksheet's problems; short enough for a composer. @param {SheetProblem} problem @param {number} at @returns {string} */
export const askAbout = ({ label, text }, at) => `Help me with problem ${label || at + 1}: ${text.length > 1000 ? `${text.slice(0, 1000).trimEnd()}…` : text}`;

/** The lines of a box as a list, each once. @param {string} text @returns {string[]} */
export const lines = (text) => [...new Set(text.split("\n").map((each) => each.trim()).filter(Boolean))];
