// Sixty students at work, for the wall: always the same ones, and what they do next is drawn by lot.
import { random } from "../web/random.mjs";

const first = ["Ada", "Ben", "Cem", "Dilek", "Eva", "Femi", "Gül", "Hana", "Ivo", "Jin", "Kofi", "Lena", "Mia", "Noor", "Olga", "Paul", "Quinn", "Rosa", "Sami", "Tara"];
const last = ["Berg", "Okafor", "Nguyen", "Schmidt", "Aydın", "Rossi", "Haddad", "Novák", "Silva", "Moreau"];
const lessons = [["maths", "Adding fractions"], ["maths", "3x + 5 = 20"], ["biology", "Why leaves are green"], ["English", "Past tense of to lie"], ["physics", "Why the sky is blue"], ["history", "The printing press"], ["chemistry", "Balancing H₂ + O₂"], ["computing", "A loop that never ends"], ["geography", "Why volcanoes erupt"]];
const lines = ["Let us first bring both fractions to the same denominator. ", "What would you have to do to both sides of the equation? ", "Good. Now look at the second term: what is its sign? ", "I think it is 7/12 but I am not sure why. ", "Chlorophyll absorbs red and blue light, so what is left is green. ", "Could you say in your own words what a loop does? ", "Try it with a smaller number first, and see what comes out. "];
const whys = { struggling: ["Asked the same thing 3 times", "Regenerated twice, 2 wrong steps in a row"], idle: ["4 min without a reply", "12 min without a reply"], off_task: ["2 of the last 3 questions were about something else"], error: ["The last 2 answers failed"], safety: ["Words that may speak of a crisis"] };

const id = (prefix, number) => `0190${prefix}-0000-7000-8000-${String(number).padStart(12, "0")}`;

export class Classroom {
  /** @param {number} [many] @param {number} [seed] */
  constructor(many = 60, seed = 4) {
    this.next = random(seed);
    this.sessions = Array.from({ length: many }, (_, index) => this.#student(index));
    const half = (odd) => this.sessions.filter((_, index) => (index % 2 === 1) === odd).map(({ student }) => student.id);
    this.classes = [{ id: id("c000", 1), name: "Maths 7b", students: half(false) }, { id: id("c000", 2), name: "Science 8a", students: half(true) }];
  }

  /** @template T @param {T[]} list @returns {T} */
  #any(list) {
    return list[Math.floor(this.next() * list.length)];
  }

  #ago(seconds) {
    return new Date(Date.now() - seconds * 1000).toISOString();
  }

  #student(index) {
    const [subject, title] = this.#any(lessons);
    const state = this.#any(["waiting", "waiting", "thinking", "answering", "answering", "answering", "idle"]);
    const since = this.#ago(Math.floor(this.next() * (state === "idle" ? 900 : 90)));
    const session = { session_id: id("0000", index), student: { id: id("0001", index), name: `${first[index % first.length]} ${last[(index * 3 + Math.floor(index / first.length)) % last.length]}` }, title, subject, state, state_since: since,
      last_activity_at: since, turns: 1 + Math.floor(this.next() * 20), tutor: null, watchers: 0, hand: null, preview: this.#any(lines) + this.#any(lines), signals: { hand_raised: false, idle_s: 0, struggling: { score: 0, why: "" }, items: [] } };
    const kind = { 3: "struggling", 8: "idle", 14: "struggling", 19: "off_task", 23: "idle", 31: "safety", 37: "error", 44: "idle", 52: "struggling" }[index];
    if (kind) session.signals.items.push({ kind, level: kind === "safety" ? 3 : 2, since: this.#ago(60), why: this.#any(whys[kind]) });
    if (index === 14) session.signals.items.push({ kind: "idle", level: 1, since: this.#ago(30), why: whys.idle[0] });
    if (index === 5 || index === 44) session.hand = { since: this.#ago(index === 5 ? 200 : 45), claimed_by: null };
    if (index === 27) Object.assign(session, { state: "tutor", tutor: { id: id("0002", 1), name: "Mr Ito" }, hand: { since: this.#ago(320), claimed_by: { id: id("0002", 1), name: "Mr Ito" } } });
    return session;
  }

  /** What one of them does next: mostly some more text, now and then another state, seldom a signal. @param {number} index */
  step(index) {
    const session = { ...this.sessions[index], last_activity_at: this.#ago(0) };
    const luck = this.next();
    if (session.state === "answering" || session.state === "thinking") session.preview = (session.preview + this.#any(lines).slice(0, 12)).slice(-160);
    if (luck < 0.03 && session.state !== "tutor") Object.assign(session, { state: this.#any(["waiting", "thinking", "answering"]), state_since: this.#ago(0) });
    if (luck > 0.9985 && !session.signals.items.length) {
      const kind = this.#any(["struggling", "idle", "off_task"]);
      session.signals = { ...session.signals, items: [{ kind, level: 1, since: this.#ago(0), why: this.#any(whys[kind]) }] };
    }
    return (this.sessions[index] = session);
  }
}
