// A school for the pages whose routes the server under test does not have: answers in the shapes of the API,
// kept in memory. Which parts are played is read from the server's own OpenAPI, so that a part that the server
// has is asked of the server.

const parts = {
  accounts: /^\/(users\/me\/sign-ins|auth\/(password|email|forgot|reset|logout-others)|admin\/users\/[^/]+\/reset-code)/,
  classes: /^\/(classes|admin\/users(\/[^/]+(\/sign-out)?)?$|admin\/organisation$)/,
  records: /^\/(audit|users\/me\/(export|consent|usage)|admin\/users\/[^/]+\/(export|consent)|admin\/organisation\/policy)/,
};
const signs = { accounts: "/users/me/sign-ins", classes: "/classes", records: "/audit" };

/** The parts that the server does not have. @param {string} url */
export async function missingParts(url) {
  const { paths } = await (await fetch(`${url}/api/v1/openapi.json`)).json();
  const known = new Set(Object.keys(paths).map((path) => path.replace(/^\/api\/v1/, "")));
  return Object.keys(parts).filter((part) => !known.has(signs[part]));
}

const minutesAgo = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString();
let made = 0;
const id = () => `01900000-0000-7000-8000-${String((made += 1)).padStart(12, "0")}`;
const code = () => `${Math.random().toString(36).slice(2, 6)}-${Math.random().toString(36).slice(2, 6)}`.toUpperCase();
const problem = (status, code, errors) => ({ status, body: { type: `urn:fynq:problem:${code}`, title: code, status, code, detail: code, errors, request_id: id() } });
const ok = (body) => ({ status: 200, body });
const page = (items) => ok({ items, next_cursor: null });
const empty = { status: 204 };

export class School {
  resetCode = "";
  password = "a long enough sentence";
  classes = [];
  consent = { required: true, state: "given", version: "2026-09", by: "guardian", at: minutesAgo(90_000) };
  policy = { consent_required: true, consent_version: "2026-09", show_watchers: true };
  name = "Hillside School";
  usage = { limits: [{ of: "student", what: "messages", per: "day", used: 32, limit: 50, resets_at: minutesAgo(-600) }] };
  people = [
    ["ada@school.example", "Ada Lovelace", "student", false], ["ben@school.example", "Ben Ng", "student", true],
    ["tara@school.example", "Tara Okafor", "tutor", false], ["no-name@school.example", "", "student", false],
  ].map(([email, display_name, role, disabled]) => ({ id: id(), email, display_name, role, disabled, created_at: minutesAgo(200_000) }));
  signIns = [
    { id: id(), created_at: minutesAgo(3000), last_used_at: minutesAgo(0), label: "Chrome on Windows", current: true },
    { id: id(), created_at: minutesAgo(9000), last_used_at: minutesAgo(200), label: "Safari on an iPhone", current: false },
    { id: id(), created_at: minutesAgo(99_000), last_used_at: minutesAgo(50_000), label: "", current: false },
  ];
  audit = [
    { id: id(), at: minutesAgo(3), event: "role_changed", actor: { id: id(), name: "Head Teacher" }, subject: { kind: "user", id: id() }, address: "192.0.2.7", detail: { from: "student", to: "tutor" } },
    { id: id(), at: minutesAgo(300), event: "sign_in_failed", actor: null, subject: null, address: "2001:db8::17", detail: { reason: "wrong_password" } },
    { id: id(), at: minutesAgo(9_000), event: "observation_opened", actor: { id: id(), name: "Tara Okafor" }, subject: { kind: "session", id: id() }, detail: {} },
  ];

  /** Somebody who signed up at the real server is known here too. @param {{email: string}} somebody */
  meet({ email }) {
    this.people.unshift({ id: id(), email, display_name: "Mia Berg", role: "student", disabled: false, created_at: minutesAgo(1) });
  }

  /** Answers for what the server lacks. @param {import("playwright-core").BrowserContext} context @param {string[]} missing */
  async open(context, missing) {
    for (const part of missing) {
      await context.route((url) => parts[part].test(url.pathname.replace("/api/v1", "")), (route) => this.#answer(route));
    }
    if (missing.includes("records")) {
      await context.route("**/api/v1/users/me", (route) => (route.request().method() === "DELETE" ? this.#answer(route) : route.fallback()));
      await context.route(/admin\/users\/[^/]+$/, (route) => (route.request().method() === "DELETE" ? this.#answer(route) : route.fallback()));
    }
  }

  async #answer(route) {
    const request = route.request();
    const token = request.headers().authorization?.split(".")[1];
    const me = token ? JSON.parse(Buffer.from(token, "base64url")).sub : "";
    const { pathname, searchParams } = new URL(request.url());
    const path = pathname.replace("/api/v1/", "").split("/");
    const { status, body } = this.reply(request.method(), path, { query: searchParams, body: request.postDataJSON() ?? {}, me });
    await route.fulfill({ status, contentType: status < 400 ? "application/json" : "application/problem+json", body: body === undefined ? "" : JSON.stringify(body) });
  }

  reply(method, [area, ...path], { query, body, me }) {
    const wrong = (given, name) => given !== this.password && problem(422, "wrong_password", [{ pointer: `/${name}`, message: "is not right" }]);
    const call = `${method} /${[area, ...path].map((each) => (/^[\da-f-]{36}$/.test(each) ? ":id" : each)).join("/")}`;
    const found = (list, at = 0) => list.find((each) => each.id === path[at]);
    const person = found(this.people, 1);
    const group = found(this.classes);
    switch (call) {
      case "GET /users/me/sign-ins": return page(this.signIns);
      case "DELETE /users/me/sign-ins/:id": return (this.signIns = this.signIns.filter((each) => each.id !== path[2])), empty;
      case "POST /auth/logout-others": return wrong(body.password, "password") || ((this.signIns = this.signIns.filter((each) => each.current)), empty);
      case "POST /auth/password": return wrong(body.current_password, "current_password") || ((this.password = body.new_password), empty);
      case "POST /auth/email": return wrong(body.password, "password") || ok({ email: body.new_email, role: "student", display_name: "Mia Berg", locale: "en", grade: null });
      case "POST /auth/forgot": return { status: 202, body: { next: "admin" } };
      case "POST /auth/reset": return body.code === this.resetCode ? empty : problem(422, "invalid_code", [{ pointer: "/code", message: "is not right" }]);
      case "POST /admin/users/:id/reset-code": return (this.resetCode = "K7QD-M2XH-9TPA"), { status: 201, body: { code: this.resetCode, expires_at: minutesAgo(-60) } };
      case "GET /classes": return page(this.classes.map(({ members, ...each }) => this.#seen({ ...each, members }, me)));
      case "POST /classes": return { status: 201, body: this.#seen(this.#make(body.name, me), me) };
      case "GET /classes/:id": return group ? ok(this.#seen(group, me)) : problem(404, "not_found");
      case "PATCH /classes/:id": return (group.name = body.name), ok(this.#seen(group, me));
      case "DELETE /classes/:id": return (this.classes = this.classes.filter((each) => each !== group)), empty;
      case "POST /classes/:id/join-code": return (group.join_code = code()), ok(this.#seen(group, me));
      case "POST /classes/join": return this.#join(body.code, me);
      case "GET /classes/:id/members": return page(group.members);
      case "POST /classes/:id/members": return this.#add(group, body);
      case "DELETE /classes/:id/members/:id": return (group.members = group.members.filter((each) => each.user_id !== path[2])), empty;
      case "GET /admin/users": return page(this.people.filter((each) => `${each.email} ${each.display_name}`.toLowerCase().includes((query.get("search") ?? "").toLowerCase())));
      case "POST /admin/users": return this.#hire(body);
      case "PATCH /admin/users/:id": return Object.assign(person, body), ok(person);
      case "POST /admin/users/:id/sign-out": return empty;
      case "DELETE /admin/users/:id": return (this.people = this.people.filter((each) => each !== person)), empty;
      case "GET /admin/organisation": return ok({ name: this.name });
      case "PATCH /admin/organisation": return (this.name = body.name), ok({ name: this.name });
      case "GET /audit": return page(this.audit);
      case "GET /users/me/export": case "GET /admin/users/:id/export": return ok({ profile: { id: me }, sessions: [] });
      case "DELETE /users/me": return wrong(body.password, "password") || empty;
      case "GET /users/me/consent": return ok(this.consent);
      case "PUT /admin/users/:id/consent": return ok({ required: true, ...body });
      case "GET /admin/organisation/policy": return ok(this.policy);
      case "PATCH /admin/organisation/policy": return ok(Object.assign(this.policy, body));
      case "GET /users/me/usage": return ok(this.usage);
      default: return problem(404, "not_found");
    }
  }

  /** @param {string} name @param {string} teacher */
  #make(name, teacher) {
    const members = [{ user_id: teacher, display_name: "You yourself", email: "me@school.example", as: "tutor", created_at: minutesAgo(0) }];
    this.classes.push({ id: id(), name, join_code: code(), created_at: minutesAgo(0), members });
    return this.classes.at(-1);
  }

  #seen({ members, join_code, ...others }, me) {
    const teaching = members.some((each) => each.user_id === me && each.as === "tutor");
    const count = (as) => members.filter((each) => each.as === as).length;
    return { ...others, ...(teaching ? { join_code } : {}), teaching, students: count("student"), tutors: count("tutor") };
  }

  #join(wanted, me) {
    const group = this.classes.find((each) => each.join_code === wanted);
    if (!group) return problem(404, "not_found");
    group.members.push({ user_id: me, display_name: "Mia Berg", as: "student", created_at: minutesAgo(0) });
    return ok(this.#seen(group, me));
  }

  #add(group, { user_id, as }) {
    const { email, display_name } = this.people.find((each) => each.id === user_id);
    group.members.push({ user_id, display_name, email, as, created_at: minutesAgo(0) });
    return { status: 201, body: group.members.at(-1) };
  }

  #hire({ password, ...body }) {
    if (this.people.some((each) => each.email === body.email)) return problem(409, "email_taken");
    this.people.unshift({ id: id(), display_name: "", disabled: false, created_at: minutesAgo(0), ...body });
    return { status: 201, body: this.people[0] };
  }
}
