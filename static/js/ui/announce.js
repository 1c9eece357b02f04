// What a screen reader hears of a conversation: that an answer begins, now and then that it goes on, and the
// finished text. Never the tokens.
import { byId, h } from "./dom.js";

const goesOnEvery = 10_000;

export class Announcer {
  #writing = false;
  #saidAt = 0;
  /** Messages that were complete when they were first seen are history, not news. @type {Set<string>} */
  #heard = new Set();

  /** @param {() => string} [student] the student's name, for a listener who is not the student and hears them too */
  constructor(student) {
    this.student = student;
  }

  /**
   * @param {import("../chat/log.js").SessionState} state
   * @param {(id: string) => string} textOf the plain text of a message as it is drawn
   */
  update(state, textOf) {
    const writing = state.run !== null;
    if (writing && !this.#writing) this.#status("fynq is answering.");
    else if (writing && Date.now() - this.#saidAt > goesOnEvery) this.#status("fynq is still answering.");
    else if (!writing && this.#writing) this.#status("");
    this.#writing = writing;
    for (const message of state.messages) {
      const news = (message.author !== "student" || this.student) && message.status !== "streaming" && message.text !== "";
      if (news && !this.#heard.has(message.id)) this.#speak(message, textOf(message.id));
    }
  }

  /** @param {import("../chat/log.js").SessionState} state */
  forgetAll(state) {
    this.#heard = new Set(state.messages.filter((message) => message.status !== "streaming").map((message) => message.id));
    this.silence();
  }

  silence() {
    this.#writing = false;
    byId("spoken").replaceChildren();
    byId("status").textContent = "";
  }

  /** @param {import("../chat/log.js").Message} message @param {string} text */
  #speak(message, text) {
    this.#heard.add(message.id);
    const student = message.author === "student" && this.student?.();
    const who = student ? student : message.author === "tutor" ? message.name || "Your tutor" : "fynq";
    byId("spoken").replaceChildren(h("p", {}, `${who} says:`), ...paragraphs(text).map((each) => h("p", {}, each)));
  }

  /** @param {string} text */
  #status(text) {
    this.#saidAt = Date.now();
    byId("status").textContent = text;
  }
}

/** @param {string} text */
const paragraphs = (text) => text.split(/\n+/).map((each) => each.trim()).filter(Boolean);
