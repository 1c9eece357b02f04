// The tutor's wall, on a roster that a script plays: who sees what, where the keys lead, that nothing moves
// under the hand, and that a student's words stay words.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { Classroom } from "./classroom.mjs";
import { check } from "./eye.mjs";
import { RosterStage, signedIn, teacher } from "./roster-stage.mjs";
import { openBrowser, until } from "./stage.mjs";

let browser;
/** @type {RosterStage} */
let stage;
let context;

/** Stands for the opened conversation, which has tests of its own: it says what it was asked. */
const session = `export class WatchedSession {
  constructor(root, { sessionId, onClose }) {
    this.root = root;
    const leave = document.createElement("button");
    leave.textContent = "Leave";
    leave.onclick = onClose;
    root.append(Object.assign(document.createElement("p"), { className: "asked", textContent: sessionId }), leave);
  }
  open() {}
  focus() { this.root.querySelector("button").focus(); }
  close() { this.root.replaceChildren(); }
  focusMode(mode) { this.root.querySelector(".asked").textContent += " " + mode; this.focus(); }
}`;

before(async () => (browser = await openBrowser()));
after(() => browser.close());
beforeEach(async () => {
  stage = await RosterStage.start();
  stage.classes = [{ id: "class-one", name: "Maths 7b", students: ["u-ada", "u-ben"] }, { id: "class-two", name: "Science 8a", students: ["u-cem"] }];
});
afterEach(async () => {
  await context?.close();
  await stage.end();
});

const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();

function student(name, more = {}) {
  const key = name.toLowerCase();
  return { session_id: `session-${key}`, student: { id: `u-${key}`, name }, title: `${name}’s question`, subject: "maths", state: "waiting", state_since: ago(65), last_activity_at: ago(65), turns: 3, tutor: null, watchers: 0, hand: null, preview: "So far so good.", signals: { hand_raised: false, idle_s: 0, struggling: { score: 0, why: "" }, items: [] }, ...more };
}

const signals = (...kinds) => ({ signals: { items: kinds.map((kind) => ({ kind, level: 2, since: ago(1), why: `Because of ${kind}` })) } });
const up = (seconds, claimed_by = null) => ({ hand: { since: ago(seconds), claimed_by } });

async function open({ user = teacher, at = "#observe", ...options } = {}, ...students) {
  for (const each of students) stage.sessions.set(each.session_id, each);
  context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", ...options });
  await signedIn(context, user);
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.complaints = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && page.complaints.push(message.text()));
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  await page.route("**/js/ui/observe/session.js", (route) => route.fulfill({ contentType: "text/javascript", body: session }));
  await page.goto(`${stage.url}/${at}`);
  if (students.length) await page.locator(".tile").first().waitFor();
  return page;
}

const names = (page) => page.locator(".tile-name").allTextContents();
const tile = (page, name) => page.locator(`.tile[data-session="session-${name.toLowerCase()}"]`);
const nobodyThere = async (page) => {
  await page.mouse.move(5, 5);
  await page.evaluate(() => document.activeElement?.blur());
};

test("a tile says who, what, in which state since when, the end of the text, and why somebody should look", async () => {
  const page = await open({}, student("Ada", { state: "answering", ...signals("struggling", "idle") }), student("Ben", { state: "tutor", tutor: { id: "x", name: "Mr Ito" } }));
  const ada = tile(page, "Ada");
  for (const words of ["Ada’s question · maths", "Answering", "1 min", "So far so good.", "Struggling", "Idle", "Because of struggling"]) assert.ok((await ada.innerText()).includes(words), words);
  assert.ok((await tile(page, "Ben").innerText()).includes("Mr Ito is speaking"));
  stage.show(student("Ada", { state: "thinking", preview: "And now?" }));
  await ada.getByText("And now?").waitFor();
  assert.ok(!(await ada.innerText()).includes("Struggling"));
  assert.deepEqual(page.complaints, []);
});

test("what a student writes, or is called, stays text, and disturbs no other tile", async () => {
  const evil = "<img src=x onerror=window.hit=1><script>window.hit=1</script>";
  const page = await open({}, student("Ada", { student: { id: "u-ada", name: evil }, title: evil, subject: evil, preview: `\u202e${evil}${"Z\u0335\u0300\u0301".repeat(300)}`, ...up(3) }), student("Ben"));
  assert.equal(await page.locator(".wall-screen img, .wall-screen script").count(), 0);
  assert.equal(await page.evaluate(() => window.hit), undefined);
  assert.ok((await tile(page, "Ada").innerText()).includes(evil));
  const boxes = await page.locator(".tile").evaluateAll((tiles) => tiles.map((each) => each.getBoundingClientRect().height));
  assert.equal(boxes[0], boxes[1]);
});

test("nothing moves under the pointer or the focus; a button or a quiet while brings the order", async () => {
  const page = await open({}, student("Ada"), student("Ben"), student("Cem"));
  await page.clock.install();
  await tile(page, "Ada").hover();
  stage.show(student("Cem", signals("safety")));
  stage.show(student("Dan", signals("hand")));
  stage.gone("session-ben");
  await tile(page, "Dan").waitFor();
  await page.clock.runFor(25_000);
  await new Promise((resolve) => setTimeout(resolve, 1500)); // the wall's own clock ticks once a second
  assert.deepEqual(await names(page), ["Ada", "Ben", "Cem", "Dan"], "held, the new one last, the one who left still in its place");
  assert.ok((await tile(page, "Ben").innerText()).includes("Has left"));
  await page.getByRole("button", { name: "Sort now" }).click();
  assert.deepEqual(await names(page), ["Cem", "Ada", "Dan"]);
  stage.show(student("Dan", signals("safety")));
  await tile(page, "Dan").getByText("Safety", { exact: true }).waitFor();
  await nobodyThere(page);
  await page.clock.runFor(11_000);
  await until(async () => (await names(page)).join() === "Cem,Dan,Ada", "the order settles when nobody is there");
});

test("hands stand above the wall, the oldest first, and one is claimed once", async () => {
  const page = await open({}, student("Ada", up(20)), student("Ben", up(200)), student("Cem", up(90, { id: "x", name: "Mr Ito" })), student("Dan"));
  const hands = page.getByRole("region", { name: "Raised hands" });
  const told = async () => (await hands.getByRole("listitem").allInnerTexts()).map((text) => text.replace(/\s+/g, " ").trim());
  assert.deepEqual(await told(), ["Ben 3 min I’m coming", "Cem 1 min Claimed by Mr Ito", "Ada 20 s I’m coming"]);
  await hands.getByRole("button", { name: "I’m coming: Ben" }).click();
  await page.locator(".asked").getByText("session-ben").waitFor();
  assert.ok(stage.asked.some(([call]) => call === "POST /sessions/session-ben/claim"));
  await until(async () => (await told())[0].includes("You are coming"), "the strip says who is coming");
  // Between what the strip shows and the click, somebody else was quicker.
  stage.sessions.get("session-ada").hand.claimed_by = { id: "x", name: "Mr Ito" };
  await hands.getByRole("button", { name: "I’m coming: Ada" }).click();
  await page.getByText("Mr Ito is coming already.").waitFor();
});

test("by keyboard alone: arrows, open in four ways, and back to the same tile", async () => {
  const page = await open({}, ...["Ada", "Ben", "Cem", "Dan", "Eva", "Fay"].map((name) => student(name)));
  const grid = page.getByRole("grid");
  assert.equal(await grid.getAttribute("aria-rowcount"), "6");
  await page.getByRole("button", { name: "Wall" }).focus();
  await page.keyboard.press("Tab");
  const focused = () => page.evaluate(() => document.activeElement?.dataset.session);
  assert.equal(await focused(), "session-ada");
  const columns = await grid.evaluate((element) => getComputedStyle(element).gridTemplateColumns.split(" ").length);
  await page.keyboard.press("ArrowRight");
  assert.equal(await focused(), "session-ben");
  await page.keyboard.press("ArrowDown");
  assert.equal(await focused(), `session-${["ada", "ben", "cem", "dan", "eva", "fay"][1 + columns]}`);
  await page.keyboard.press("Home");
  const asked = page.locator(".asked");
  for (const [key, words] of Object.entries({ Enter: "session-ada", w: "session-ada whisper", s: "session-ada say", t: "session-ada take_over" })) {
    await page.keyboard.press(key);
    await asked.getByText(words, { exact: true }).waitFor();
    await page.keyboard.press("Escape");
    await until(async () => (await focused()) === "session-ada", `back on the tile after ${key}`);
    assert.equal(await page.locator(".pane").isVisible(), false);
  }
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).getByText("whisper").waitFor();
});

test("filters, search and saved views, which outlive a reload but keep no words", async () => {
  const page = await open({}, student("Ada", signals("struggling")), student("Ben", { state: "idle" }), student("Cem", { subject: "physics" }));
  await page.getByLabel("Class", { exact: true }).selectOption({ label: "Maths 7b" });
  assert.deepEqual(await names(page), ["Ada", "Ben"]);
  await page.getByLabel("Signal", { exact: true }).selectOption("struggling");
  assert.deepEqual(await names(page), ["Ada"]);
  await page.getByRole("button", { name: "Views" }).click();
  await page.getByRole("menuitem", { name: "Save this view" }).click();
  await page.getByLabel("Name").fill("7b stuck");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("button", { name: "Views" }).click();
  await page.getByRole("menuitem", { name: "Everybody" }).click();
  await page.getByLabel("Search students").fill("PHYS");
  assert.deepEqual(await names(page), ["Cem"]);
  await tile(page, "Cem").getByRole("button", { name: "Keep in front" }).click();
  await page.reload();
  await page.locator(".tile").first().waitFor();
  assert.deepEqual(await names(page), ["Cem", "Ada", "Ben"], "pinned, and the search is forgotten");
  await page.getByRole("button", { name: "Views" }).click();
  await page.getByRole("menuitemradio", { name: "7b stuck" }).click();
  assert.deepEqual(await names(page), ["Ada"]);
  const kept = await page.evaluate((user) => localStorage.getItem(`fynq.observe.${user}`), teacher.id);
  assert.ok(!/phys|cem’s|ada’s/i.test(kept), kept);
});

test("a signal can be muted and judged", async () => {
  const page = await open({}, student("Ada"), student("Ben", signals("struggling")), student("Cem", signals("safety")));
  assert.deepEqual(await names(page), ["Cem", "Ben", "Ada"]);
  await tile(page, "Cem").getByRole("button", { name: /^Safety/ }).click();
  assert.equal(await page.getByRole("menuitem", { name: "Mute for a day" }).count(), 0, "safety comes back within the hour");
  await page.keyboard.press("Escape");
  await tile(page, "Ben").getByRole("button", { name: /^Struggling/ }).click();
  await page.getByRole("menuitem", { name: "Mute for an hour" }).click();
  await tile(page, "Ben").getByRole("button", { name: /^Struggling, muted/ }).click();
  await page.getByRole("menuitemradio", { name: "Not useful" }).click();
  await until(() => stage.marks.get("session-ben struggling")?.useful === false, "the server knows");
  assert.deepEqual(stage.asked.filter(([call]) => call.startsWith("PUT")).map(([, body]) => body), [{ muted_minutes: 60 }, { useful: false }]);
  await page.getByRole("button", { name: "Sort now" }).click();
  assert.deepEqual(await names(page), ["Cem", "Ada", "Ben"]);
});

test("a matter of safety is dealt with for everybody, and the wall says by whom", async () => {
  const page = await open({}, student("Ada", signals("struggling")), student("Cem", signals("safety")));
  await tile(page, "Ada").getByRole("button", { name: /^Struggling/ }).click();
  assert.equal(await page.getByRole("menuitem", { name: "Dealt with" }).count(), 0, "it passes by itself");
  await page.keyboard.press("Escape");
  await tile(page, "Cem").getByRole("button", { name: /^Safety/ }).click();
  await page.getByRole("menuitem", { name: "Dealt with" }).click();
  await tile(page, "Cem").getByText(/^Safety: Dealt with by Ms Kay at /).waitFor();
  assert.equal(await tile(page, "Cem").getByRole("button", { name: /^Safety/ }).count(), 0);
  assert.deepEqual(stage.asked.filter(([call]) => call.startsWith("PUT")), [["PUT /sessions/session-cem/signals/safety", { dealt_with: true }]]);
});

test("alerts are off until switched on, and a notification says nothing of anybody", async () => {
  const page = await open({ permissions: ["notifications"] }, student("Ada"));
  await page.evaluate(() => {
    window.told = [];
    window.Notification = class {
      static permission = "granted";
      static requestPermission = async () => "granted";
      constructor(...words) { window.told.push(JSON.stringify(words)); }
    };
    window.AudioContext = class { constructor() { window.told.push("sound"); } };
    Object.defineProperty(document, "hidden", { get: () => true });
  });
  const help = () => stage.show(student("Ada", { preview: "secret words", ...up(1) }));
  help();
  await page.locator(".raised").waitFor({ state: "attached" });
  assert.deepEqual(await page.evaluate(() => window.told), []);
  await page.getByRole("button", { name: "Wall" }).click();
  await page.getByRole("menuitem", { name: "Notifications: off" }).click();
  stage.show(student("Ada"));
  await until(async () => (await page.locator(".raised").count()) === 0, "the hand is down");
  help();
  const [told] = await until(() => page.evaluate(() => window.told.length && window.told), "a notification");
  assert.equal(JSON.parse(told)[0], "A student needs help");
  assert.ok(!/ada|secret|maths/i.test(told), told);
});

test("who listens hears how many, and not more often than every fifteen seconds", async () => {
  const page = await open({}, student("Ada"), student("Ben"));
  const line = page.locator(".wall-screen > [role=status]");
  stage.show(student("Ada", signals("idle")));
  stage.show(student("Ben", up(1)));
  await until(async () => (await line.textContent()) === "2 new signals: 1 raised hand, 1 student idle.", "the summary");
  stage.show(student("Ada", signals("idle", "off_task")));
  await tile(page, "Ada").getByText("Off task").waitFor();
  await page.waitForTimeout(3000);
  assert.equal(await line.textContent(), "2 new signals: 1 raised hand, 1 student idle.");
});

test("a wall that stands still says so, and comes back whole", async () => {
  const page = await open({}, student("Ada"));
  await page.route("**/api/v1/socket-tickets", (route) => route.abort());
  stage.cut();
  stage.sessions.set("session-ben", student("Ben"));
  await page.getByText("The connection is gone. Coming back… What you see is how it was.").waitFor();
  await page.unroute("**/api/v1/socket-tickets");
  await tile(page, "Ben").waitFor({ timeout: 30_000 });
  await until(() => page.locator(".wall-line").isHidden(), "all is well");
});

test("on a phone a conversation covers the wall, and back keeps the place", async () => {
  const many = new Classroom(30).sessions;
  const page = await open({ viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true }, ...many);
  const scroller = page.locator(".wall-scroller");
  await scroller.evaluate((element) => (element.scrollTop = 1500));
  const there = await scroller.evaluate((element) => element.scrollTop);
  await page.locator(`.tile[data-session="${many[20].session_id}"]`).evaluate((element) => element.click());
  await page.locator(".asked").waitFor();
  const box = await page.locator(".pane").boundingBox();
  assert.deepEqual([box.width, box.height], [390, 780]);
  await page.goBack();
  await until(() => page.locator(".pane").isHidden(), "the wall again");
  assert.ok(Math.abs((await scroller.evaluate((element) => element.scrollTop)) - there) < 400, "near where one was");
  await page.evaluate(() => document.documentElement.scrollWidth - innerWidth).then((over) => assert.ok(over <= 0));
});

test("everybody can use it: the wall, wide and on a phone, light and dark", async () => {
  const room = new Classroom(12);
  room.sessions[0].signals.items = signals("safety", "struggling", "error", "off_task", "idle").signals.items;
  for (const options of [{}, { colorScheme: "dark" }, { viewport: { width: 360, height: 740 } }]) {
    const page = await open(options, ...room.sessions);
    await check(page, JSON.stringify(options));
    await context.close();
  }
});

const day = { class: { id: "class-one", name: "Maths 7b" }, day: "2026-11-23", signals: { struggling: { shown: 4, useful: 2, not_useful: 1 }, hand: { shown: 3, useful: 3, not_useful: 0 } }, students: [
  { student: { id: "u-ada", name: "Ada" }, sessions: 2, questions: 14, helped: [{ by: { id: "t", name: "Ms Kay" }, acts: { said: 2, took_over: 1, joined: 3 } }], signals: [{ kind: "hand", times: 2, first_at: ago(900), why: "Asked for a human", useful: true }], needed_help: true },
  { student: { id: "u-ben", name: "Ben" }, sessions: 1, questions: 6, helped: [], signals: [{ kind: "struggling", times: 1, first_at: ago(900), why: "Asked the same thing 3 times", useful: null }], needed_help: true },
  { student: { id: "u-cem", name: "Cem" }, sessions: 1, questions: 1, helped: [], signals: [], needed_help: false },
] };

test("the day of a class: who had nobody comes first, and another day is one step away", async () => {
  stage.answer = (_, path) => (path.startsWith("/classes/class-one/digest?") ? (path.includes(new Date().toISOString().slice(0, 10)) ? day : { ...day, students: [], signals: {} }) : undefined);
  const page = await open({ at: "#digest/class-one" });
  const rows = async (label) => (await page.getByRole("list", { name: label }).innerText()).replace(/\s+/g, " ");
  assert.match(await rows("Needed help, and nobody came"), /^Ben 6 questions in 1 conversation Struggling Asked the same thing 3 times$/);
  assert.match(await rows("Helped"), /Ms Kay spoke 2 times and took over once/);
  assert.match(await rows("Everybody else"), /^Cem/);
  assert.match((await page.getByRole("row", { name: /Struggling/ }).innerText()).replace(/\s+/g, " "), /Struggling 4 2 1/);
  await check(page, "the day");
  await page.getByRole("button", { name: "The day before" }).click();
  await page.getByText("Nobody of this class worked here on this day.").waitFor();
});
