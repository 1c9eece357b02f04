// To practise with: cards that are turned over, and questions that are tried before their answer is looked at.
import { Answer } from "../../markdown/answer.js";
import { feedback, isRight, leaf, newDeck, pressed, studyKinds, turn } from "../../study.js";
import { h, say, show } from "../dom.js";
import { button, panel } from "./parts.js";

/** @typedef {import("../../study.js").FlashCard} FlashCard */
/** @typedef {import("../../study.js").PracticeQuestion} PracticeQuestion */
/** @typedef {import("../../study.js").StudySet} StudySet */

let count = 0;

/** @param {StudySet} set @param {string} language @returns {HTMLElement} */
export function practice(set, language) {
  const inner = set.kind === "flash_cards" ? deck(set.items) : questions(set.items);
  inner.lang = language;
  return panel(studyKinds[set.kind].name, inner);
}

/** Text as it is meant: with formulas, without markup of its own. @param {string} text */
function written(text) {
  const answer = new Answer();
  answer.show(text, true);
  return answer.element;
}

/** @param {FlashCard[]} cards */
function deck(cards) {
  let now = newDeck;
  const place = h("p", { class: "hint" });
  // What is turned up is read out.
  const face = h("div", { class: "card-face", "aria-live": "polite", "aria-atomic": "true" });
  const card = h("div", { class: "flash-card" }, face);
  const over = button("Turn over", () => draw(turn(now)), "primary");
  const draw = (/** @type {import("../../study.js").Deck} */ next) => {
    now = next;
    const { front, back } = cards[now.at];
    say(place, `Card ${now.at + 1} of ${cards.length} · ${now.turned ? "answer" : "question"}`);
    face.replaceChildren(h("span", { class: "sr-only" }, now.turned ? "Answer: " : "Question: "), written(now.turned ? back : front));
    card.toggleAttribute("data-turned", now.turned);
    say(over, now.turned ? "Turn back" : "Turn over");
  };
  card.addEventListener("click", () => getSelection()?.isCollapsed !== false && draw(turn(now)));
  const whole = h("div", { class: "deck", role: "group", tabindex: "0", "aria-label": "Flash cards: space turns the card over, the arrow keys go on and back" }, place, card,
    h("div", { class: "row-acts" }, button("Previous", () => draw(leaf(now, -1, cards.length))), over, button("Next", () => draw(leaf(now, 1, cards.length)))));
  whole.addEventListener("keydown", (event) => {
    // On a button, space presses it.
    if (event.key === " " && event.target !== whole) return;
    const next = pressed(event.key, now, cards.length);
    if (!next || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    draw(next);
  });
  draw(now);
  return whole;
}

/** @param {PracticeQuestion[]} all */
const questions = (all) => h("ol", { class: "questions" }, ...all.map(question));

/** @param {PracticeQuestion} each */
function question(each) {
  const id = `question-${(count += 1)}`;
  const words = h("div", { id }, written(each.question));
  const told = h("p", { class: "feedback", role: "status" });
  const answer = h("div", { class: "solution", id: `${id}-answer`, hidden: true }, h("p", { class: "row-title" }, "Answer"), written(each.answer), each.explanation ? written(each.explanation) : null);
  const look = h("button", { type: "button", class: "plain", "aria-expanded": "false", "aria-controls": `${id}-answer` }, "Show the answer");
  look.addEventListener("click", () => {
    show(answer, answer.hidden !== false);
    look.setAttribute("aria-expanded", String(!answer.hidden));
    say(look, answer.hidden ? "Show the answer" : "Hide the answer");
  });
  const choices = each.choices && h("div", { class: "choices", role: "radiogroup", "aria-labelledby": id }, ...each.choices.map((choice, at) => {
    const box = h("input", { type: "radio", name: id, value: String(at) });
    box.addEventListener("change", () => {
      say(told, feedback(each, choice));
      told.toggleAttribute("data-right", isRight(each, choice));
    });
    return h("label", { class: "choice" }, box, written(choice));
  }));
  return h("li", {}, words, choices, told, look, answer);
}
