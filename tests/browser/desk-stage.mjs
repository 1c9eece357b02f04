// A tutor's line that a script plays: the frames of one watched session as the protocol has them, and the calls
// that belong to it. What the page sends is kept.
import { until } from "./stage.mjs";

export const kay = { id: "01900000-0000-7000-8000-00000000aaaa", name: "Ms Kay" };
export const lee = { id: "01900000-0000-7000-8000-00000000bbbb", name: "Mr Lee" };
export const ada = { id: "01900000-0000-7000-8000-00000000cccc", name: "Ada Berg" };
const session = "01900000-0000-7000-8000-0000000000aa";
const time = (second) => new Date(Date.UTC(2026, 0, 5, 9, 0, second)).toISOString();

/** A message as REST and snapshots give it. */
export const message = (id, author, content, more = {}) => ({
  id, session_id: session, run_id: "r0", role: author === ada ? "user" : "assistant", status: "complete", files: [], content, created_at: time(1),
  author: author ? { ...author, kind: author === ada ? "student" : "tutor" } : { id: null, name: "", kind: "assistant" }, ...more,
});

export class Desk {
  session = session;
  state = { control: "ai", tutor: null, hand_raised: false, run: null, watchers: [kay] };
  messages = [message("q1", ada, "What is **½** + ¼? <img src=x onerror=alert(1)>"), message("a1", null, "It is $\\frac{3}{4}$, because …", { finish_reason: "stop" })];
  whispers = [];
  notes = [];
  replay = { session: {}, messages: [], acts: [], signals: [] };
  /** @type {any[]} */
  heard = [];
  /** @type {any} */
  socket = null;
  seq = 0;

  /** @param {import("playwright-core").BrowserContext} context @param {string} [role] */
  async open(context, role = "tutor") {
    this.role = role;
    const me = role === "student" ? ada : kay;
    const account = { access: "not-a-secret", expires: Date.now() + 86_400_000, refresh: "not-a-secret", user: { id: me.id, email: "who@school.example", display_name: me.name, role }, keep: true };
    await context.addInitScript((text) => localStorage.setItem("fynq.account", text), JSON.stringify(account));
    await context.route("**/api/v1/**", (route) => this.#answer(route));
    await context.routeWebSocket(/\/sessions\/[^/]+\/socket/, (socket) => this.#connect(socket));
    // The wall behind the session has nobody on it.
    await context.routeWebSocket(/\/observe\/socket/, (socket) => socket.send(JSON.stringify({ ctl: { type: "roster", sessions: [], classes: [] } })));
  }

  /** @param {any} socket */
  #connect(socket) {
    this.socket = socket;
    socket.onMessage((text) => this.heard.push(JSON.parse(text)));
    const you = { id: this.role === "student" ? ada.id : kay.id, role: this.role };
    this.tell("ready", { epoch: `e${Math.random()}`, head: this.seq, resumed: false, you, state: this.state });
    this.tell("snapshot", { head: this.seq, messages: this.messages });
    if (this.role === "student") return;
    this.tell("guidance", { items: this.whispers.filter((each) => each.state === "waiting") });
    this.tell("signals", { hand_raised: false, idle_s: 0, struggling: { score: 0, why: "" }, items: [] });
  }

  /** A control frame. @param {string} type @param {object} [more] */
  tell(type, more = {}) {
    this.socket.send(JSON.stringify({ ctl: { type, ...more } }));
  }

  /** What changed in the state, which goes out whole. @param {object} change */
  now(change) {
    this.state = { ...this.state, ...change };
    this.tell("state", this.state);
  }

  /** Entries of the log. @param {...object} events */
  log(...events) {
    for (const ev of events) this.socket.send(JSON.stringify({ seq: (this.seq += 1), ev }));
  }

  /** A whole message in a run of its own. */
  say(id, text, { name = "", metadata = undefined, role = "assistant", reason = "tutor" } = {}) {
    this.log({ type: "RUN_STARTED", runId: `r-${id}` }, { type: "TEXT_MESSAGE_START", messageId: id, role, ...(name ? { name } : {}), ...(metadata ? { metadata } : {}) },
      { type: "TEXT_MESSAGE_CONTENT", messageId: id, delta: text }, { type: "TEXT_MESSAGE_END", messageId: id }, { type: "RUN_FINISHED", runId: `r-${id}`, result: { finish_reason: reason } });
  }

  /** The next command of a kind that the page has sent. @param {string} type @returns {Promise<any>} */
  async command(type) {
    const found = await until(() => this.heard.find((each) => each.type === type), `the command ${type}`);
    this.heard.splice(this.heard.indexOf(found), 1);
    return found;
  }

  async #answer(route) {
    const request = route.request();
    const path = new URL(request.url()).pathname.replace("/api/v1", "");
    const body = request.postDataJSON?.() ?? {};
    const json = (value, status = 200) => route.fulfill({ status, contentType: "application/json", body: JSON.stringify(value) });
    const call = `${request.method()} ${path}`;
    const list = (items) => json({ items, next_cursor: null });
    if (call === "POST /socket-tickets") return json({ ticket: "t" });
    if (call === "GET /observe/marks") return json({ items: [] });
    if (call === "GET /sessions") return list([]);
    if (call === "GET /users/me") return json({ id: kay.id, email: "who@school.example", display_name: this.role === "student" ? ada.name : kay.name, role: this.role });
    if (call === `GET /sessions/${session}`) return json({ id: session, title: "Fractions", subject: "maths", student_id: ada.id, control: "ai", created_at: time(0), updated_at: time(9) });
    if (call === `GET /sessions/${session}/whispers`) return list(this.whispers);
    if (call === `GET /sessions/${session}/replay`) return json(this.replay);
    if (call === `GET /students/${ada.id}/notes`) return list(this.notes);
    if (call === `POST /students/${ada.id}/notes`) {
      this.notes.unshift({ id: `01900000-0000-7000-8000-00000000000${this.notes.length}`, student_id: ada.id, author: kay, text: body.text, created_at: time(1), updated_at: time(1) });
      return json(this.notes[0], 201);
    }
    if (call === "GET ") return json({ model: { practice: false } });
    return route.fulfill({ status: 404, contentType: "application/problem+json", body: JSON.stringify({ code: "not_found", status: 404, title: "Not found" }) });
  }
}
