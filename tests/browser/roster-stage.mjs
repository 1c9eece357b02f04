// A server that plays a school at work, for the tutor's wall: the page's own files under the page's own policy,
// the few calls that the wall makes, and a roster socket on which a script says what happens.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { root } from "./stage.mjs";

const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

export const teacher = { id: "01900000-0000-7000-8000-00000000aaaa", email: "kay@school.example", display_name: "Ms Kay", role: "tutor" };

/** Puts somebody's sign-in into a browser profile before its first page. @param {import("playwright-core").BrowserContext} context */
export async function signedIn(context, user = teacher) {
  const known = { access: "not-a-secret", expires: Date.now() + 86_400_000, refresh: "not-a-secret", user, keep: true };
  await context.addInitScript((text) => {
    if (!localStorage.getItem("fynq.account")) localStorage.setItem("fynq.account", text);
  }, JSON.stringify(known));
}

export class RosterStage {
  /** @type {Map<string, any>} what a new socket is told first */
  sessions = new Map();
  classes = [];
  marks = new Map();
  /** What the page asked for, as "PUT /sessions/…", with its body. @type {[string, any][]} */
  asked = [];
  /** Plays a call that is not played here; undefined: 404. @type {(method: string, path: string, body: any) => any} */
  answer = () => undefined;
  /** What was said in the one session that is opened beside the wall. @type {any[]} */
  lesson = [];
  #sockets = new Set();
  /** Also those to one session. */
  #lines = new Set();

  static async start() {
    const stage = new RosterStage();
    stage.http = createServer((request, reply) => stage.#serve(request, reply));
    stage.http.on("upgrade", (request, socket) => stage.#upgrade(request, socket));
    await new Promise((resolve) => stage.http.listen(0, "127.0.0.1", resolve));
    stage.url = `http://127.0.0.1:${stage.http.address().port}`;
    return stage;
  }

  end() {
    for (const socket of this.#lines) socket.destroy();
    this.http.closeAllConnections();
    return new Promise((resolve) => this.http.close(resolve));
  }

  /** Every line to the roster breaks. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  get listeners() {
    return this.#sockets.size;
  }

  /** A session begins or changes; everybody is told. @param {any} session */
  show(session) {
    this.sessions.set(session.session_id, session);
    this.say({ ctl: { type: "roster_changed", session } });
  }

  /** @param {string} id */
  gone(id) {
    this.sessions.delete(id);
    this.say({ ctl: { type: "roster_changed", gone: id } });
  }

  /** @param {any} frame */
  say(frame) {
    const bytes = framed(JSON.stringify(frame));
    for (const socket of this.#sockets) socket.write(bytes);
  }

  async #serve(request, reply) {
    const { pathname, search } = new URL(request.url, this.url);
    if (pathname.startsWith("/api/v1")) return this.#api(request, pathname.slice("/api/v1".length) + search, reply);
    const path = normalize(pathname === "/" ? "/index.html" : pathname);
    const file = await readFile(join(process.env.FYNQ_STATIC_DIR ?? join(root, "static"), path)).catch(() => null);
    reply.writeHead(file ? 200 : 404, { "content-type": types[extname(path)] ?? "text/plain", "content-security-policy": policy, "cache-control": "no-cache" });
    reply.end(file ?? "");
  }

  async #api(request, path, reply) {
    let text = "";
    for await (const part of request) text += part;
    const body = text ? JSON.parse(text) : undefined;
    this.asked.push([`${request.method} ${path}`, body]);
    const found = this.#played(request.method, path, body) ?? this.answer(request.method, path, body);
    const status = found?.status ?? (found === undefined ? 404 : 200);
    reply.writeHead(status, { "content-type": status < 400 ? "application/json" : "application/problem+json" });
    reply.end(JSON.stringify(status < 400 ? found : { status, code: "not_found", title: "Not found", ...found }));
  }

  #played(method, path, body) {
    const [, session, kind] = /^\/sessions\/([^/]+)\/signals\/(\w+)$/.exec(path) ?? [];
    if (session) return this.#mark(session, kind, body);
    const claimed = /^\/sessions\/([^/]+)\/claim$/.exec(path)?.[1];
    if (claimed) return this.#claim(claimed);
    if (method === "POST" && path === "/socket-tickets") return { ticket: "t", expires_in: 30 };
    if (path === "") return { name: "fynq", model: { practice: true } };
    if (path === "/users/me") return teacher;
    if (path.startsWith("/sessions?")) return { items: [], next_cursor: null };
    if (path === "/observe/marks") return { items: [...this.marks.values()] };
    return undefined;
  }

  #mark(session, kind, { useful, muted_minutes, dealt_with }) {
    const before = this.marks.get(`${session} ${kind}`) ?? { session_id: session, kind, useful: null, muted_until: null };
    const mark = { ...before };
    if (useful !== undefined) mark.useful = useful;
    if (muted_minutes !== undefined) mark.muted_until = muted_minutes ? new Date(Date.now() + muted_minutes * 60_000).toISOString() : null;
    this.marks.set(`${session} ${kind}`, mark);
    if (dealt_with) this.#dealt(session, kind);
    return { kind, useful: mark.useful, muted_until: mark.muted_until };
  }

  #dealt(id, kind) {
    const session = this.sessions.get(id);
    const items = session.signals.items.filter((item) => item.kind !== kind);
    this.show({ ...session, signals: { ...session.signals, items, dealt_with: [{ kind, by: { id: teacher.id, name: teacher.display_name }, at: new Date().toISOString() }] } });
  }

  #claim(id) {
    const session = this.sessions.get(id);
    if (!session?.hand) return { status: 409, code: "no_hand", detail: "No hand is up here." };
    if (session.hand.claimed_by) return { status: 409, code: "claimed", detail: `${session.hand.claimed_by.name} is coming already.` };
    const hand = { ...session.hand, claimed_by: { id: teacher.id, name: teacher.display_name } };
    this.show({ ...session, hand });
    return { hand };
  }

  /** @param {string} id of the session @param {import("node:net").Socket} socket */
  #lesson(id, socket) {
    const { hand, tutor } = this.sessions.get(id) ?? {};
    const state = { control: tutor ? "tutor" : "ai", tutor: tutor ?? null, hand_raised: Boolean(hand), run: null, watchers: [{ id: teacher.id, name: teacher.display_name }], ...(hand ? { hand } : {}) };
    for (const ctl of [{ type: "ready", epoch: "1", head: 0, resumed: false, you: { id: teacher.id, role: "tutor" }, state }, { type: "snapshot", head: 0, messages: this.lesson }]) socket.write(framed(JSON.stringify({ ctl })));
  }

  #upgrade(request, socket) {
    socket.on("error", () => {});
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: fynq.v1\r\n\r\n`);
    this.#lines.add(socket);
    socket.on("close", () => this.#lines.delete(socket));
    // What the page says here are pings and a farewell; neither needs an answer within a test.
    socket.on("data", (bytes) => (bytes[0] & 15) === 8 && socket.end());
    if (!request.url.startsWith("/api/v1/observe/socket")) return this.#lesson(request.url.split("/")[4], socket);
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.write(framed(JSON.stringify({ ctl: { type: "roster", sessions: [...this.sessions.values()], classes: this.classes } })));
  }
}

/** One text message as a WebSocket frame of a server. @param {string} text */
function framed(text) {
  const payload = Buffer.from(text);
  const long = payload.length > 65_535;
  const head = Buffer.alloc(payload.length < 126 ? 2 : long ? 10 : 4);
  head[0] = 0x81;
  head[1] = payload.length < 126 ? payload.length : long ? 127 : 126;
  if (long) head.writeBigUInt64BE(BigInt(payload.length), 2);
  else if (head.length === 4) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}
