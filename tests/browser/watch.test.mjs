// A tutor at one session, and the student on its other side, against a line that a script plays.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { ada, Desk, kay, lee, message } from "./desk-stage.mjs";
import { check } from "./eye.mjs";
import { anotherPage, openBrowser, Server, until } from "./stage.mjs";

let server, browser, stage, desk;
before(async () => {
  server = await Server.start();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await server?.end();
});
beforeEach(() => {
  desk = new Desk();
  stage = null;
});
afterEach(async () => {
  await stage?.context.close();
  assert.deepEqual(stage?.strangers ?? [], []);
});

const whisper = (id, text, more = {}) => ({ id, by: kay, text, until: "next", kind: "whisper", state: "waiting", at: new Date().toISOString(), ...more });

async function open(place, { role = "tutor", ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 700 }, reducedMotion: "reduce", ...options });
  await desk.open(context, role);
  stage = { context, ...(await anotherPage(context, `${server.url}/#${place}`)) };
  return stage.page;
}

async function watch(options) {
  const page = await open(`observe/${desk.session}`, options);
  await page.locator(".watched .message").first().waitFor();
  return page;
}

const box = (page) => page.locator(".desk textarea");
const mode = (page) => page.locator(".desk").getAttribute("data-mode");

test("history and live text are drawn as the student sees them, and the child's words stay words", async () => {
  const page = await watch();
  await page.getByRole("heading", { name: "Ada Berg" }).first().waitFor();
  assert.match(await page.locator(".from-student .said").innerText(), /\*\*½\*\* .*<img src=x onerror/);
  assert.equal(await page.locator(".watched img").count(), 0);
  await page.locator(".from-assistant .katex").waitFor();
  desk.now({ run: "r1" });
  desk.log({ type: "RUN_STARTED", runId: "r1" }, { type: "TEXT_MESSAGE_START", messageId: "a2", role: "assistant" }, { type: "TEXT_MESSAGE_CONTENT", messageId: "a2", delta: "Think of **pizza" });
  await page.getByText("Think of").waitFor();
  await page.getByText("The AI is answering").waitFor();
  desk.log({ type: "TEXT_MESSAGE_CONTENT", messageId: "a2", delta: "**." }, { type: "TEXT_MESSAGE_END", messageId: "a2" }, { type: "RUN_FINISHED", runId: "r1", result: { finish_reason: "stop" } });
  desk.now({ run: null });
  await page.locator(".from-assistant strong", { hasText: "pizza" }).waitFor();
  await page.getByText("Waiting for Ada Berg").waitFor();
  assert.deepEqual(stage.complaints, []);
});

test("three modes, each with its own look, draft and effect; a whisper is never told as typing", async () => {
  const page = await watch();
  await page.keyboard.press("w");
  await page.keyboard.type("Ask her to draw it");
  assert.equal(await mode(page), "whisper");
  await page.keyboard.press("Escape");
  await page.keyboard.press("s");
  assert.equal(await box(page).inputValue(), "");
  assert.deepEqual(desk.heard.filter((each) => each.type === "typing"), []);
  await page.keyboard.type("Hello Ada");
  await desk.command("typing");
  await page.keyboard.press("Escape");
  await page.keyboard.press("w");
  assert.equal(await box(page).inputValue(), "Ask her to draw it");
  await page.getByLabel("How long the AI keeps it in mind").selectOption("withdrawn");
  await box(page).press("Enter");
  const sent = await desk.command("whisper");
  assert.deepEqual([sent.text, sent.until], ["Ask her to draw it", "withdrawn"]);
  desk.tell("whispered", whisper(sent.id, sent.text, { until: "withdrawn" }));
  await page.locator(".guidance-list li", { hasText: "Ask her to draw it" }).getByText("You · Until withdrawn").waitFor();
  await page.getByRole("button", { name: "Withdraw: Ask her" }).click();
  assert.equal((await desk.command("withdraw")).whisper, sent.id);
  desk.tell("whispered", whisper(sent.id, sent.text, { until: "withdrawn", state: "withdrawn" }));
  await page.locator(".guidance-list li[data-state='withdrawn']").waitFor();
  await page.getByRole("radio", { name: "Say to the student" }).check();
  assert.equal(await box(page).inputValue(), "Hello Ada", "each mode keeps its own draft");
  await box(page).press("Enter");
  const said = await desk.command("say");
  desk.say(said.id, said.text, { name: "Ms Kay", metadata: { fynq: { author: "tutor" } } });
  desk.tell("accepted", { id: said.id });
  await page.locator(".from-tutor", { hasText: "Hello Ada" }).waitFor();
  assert.deepEqual(stage.complaints, []);
});

test("taking over with a word, answering, and handing back with a summary", async () => {
  const page = await watch();
  await page.keyboard.press("t");
  await page.keyboard.type("I am here now.");
  await page.getByRole("button", { name: "Take over and say" }).click();
  await desk.command("take_over");
  assert.ok(!desk.heard.some((each) => each.type === "say"), "nothing is said before it has worked");
  desk.now({ control: "tutor", tutor: kay });
  assert.equal((await desk.command("say")).text, "I am here now.");
  await page.getByText("You have taken over. The AI is silent.").first().waitFor();
  await page.locator(".watched[data-holder='me']").waitFor();
  await page.locator(".desk").getByRole("button", { name: "Hand back…" }).click();
  await page.getByLabel("What should the AI do next?").fill("Practise with thirds.");
  await page.getByRole("dialog").getByRole("button", { name: "Hand back", exact: true }).click();
  assert.equal((await desk.command("hand_back")).summary, "Practise with thirds.");
  desk.now({ control: "ai", tutor: null });
  await page.getByText("You handed back to the AI.").first().waitFor();
  await until(async () => (await mode(page)) === "whisper", "nobody writes to the child by mistake");
});

test("the second tutor is told who was first, and keeps what they wrote", async () => {
  const page = await watch();
  await page.keyboard.press("t");
  await page.keyboard.type("Me first");
  await box(page).press("Enter");
  const { id } = await desk.command("take_over");
  desk.now({ control: "tutor", tutor: lee, watchers: [kay, lee] });
  desk.tell("error", { code: "control_held", message: "Mr Lee has it.", command_id: id });
  await page.locator(".desk-told").getByText("Mr Lee is in charge here already.").waitFor();
  assert.equal(await box(page).inputValue(), "Me first");
  await until(() => box(page).evaluate((field) => field.readOnly && field === document.activeElement), "nothing more is written here, and no letter becomes a key");
  await page.keyboard.type("stw");
  assert.equal(await mode(page), "take_over");
  assert.ok(!desk.heard.some((each) => each.type === "say"));
  await page.getByText("Mr Lee has taken over. The AI is silent.").first().waitFor();
});

test("a hand is claimed, lowered, and an answer stopped", async () => {
  const page = await watch();
  desk.now({ hand_raised: true, hand: { since: new Date().toISOString(), claimed_by: null }, run: "r1" });
  desk.tell("signals", { hand_raised: true, idle_s: 0, struggling: { score: 60, why: "" }, items: [{ kind: "struggling", level: 2, since: new Date().toISOString(), why: "asked the same thing 3 times" }] });
  await page.locator(".watched-signals").getByText("asked the same thing 3 times").waitFor();
  await page.getByRole("button", { name: "I’m coming" }).click();
  const { id } = await desk.command("claim");
  desk.now({ hand: { since: new Date().toISOString(), claimed_by: lee } });
  desk.tell("error", { code: "control_held", message: "", command_id: id });
  await page.getByText("Mr Lee is coming already.").waitFor();
  await page.getByText("Mr Lee is coming.", { exact: true }).first().waitFor();
  await page.getByRole("button", { name: "Stop the answer" }).click();
  await desk.command("stop");
  await page.getByRole("button", { name: "Lower the hand" }).click();
  await desk.command("lower_hand");
});

test("an answer is corrected: refused once, then struck with its replacement beside it", async () => {
  const page = await watch();
  await page.locator(".from-assistant").getByRole("button", { name: "Correct", exact: true }).click();
  const sheet = page.getByRole("dialog");
  assert.ok(await sheet.getByRole("button", { name: "Replace the answer" }).isDisabled(), "nothing was changed yet");
  await check(page, "correcting");
  await sheet.getByLabel("What the answer should say").fill("It is **three** quarters.");
  await sheet.getByRole("button", { name: "Replace the answer" }).click();
  const first = await desk.command("correct");
  desk.tell("error", { code: "invalid_command", message: "", command_id: first.id });
  await sheet.getByText("This answer can't be corrected any more.").waitFor();
  await sheet.getByRole("button", { name: "Replace the answer" }).click();
  const second = await desk.command("correct");
  assert.deepEqual([second.message, second.text], ["a1", "It is **three** quarters."]);
  desk.say(second.id, second.text, { name: "Ms Kay", metadata: { fynq: { author: "tutor", corrects: "a1" } } });
  desk.tell("accepted", { id: second.id });
  await sheet.waitFor({ state: "hidden" });
  await page.locator(".from-assistant del.struck .katex").waitFor();
  await page.getByText("Corrected by Ms Kay").waitFor();
  await page.getByRole("button", { name: "See the correction" }).click();
  assert.equal(await page.evaluate(() => document.activeElement.className), "message from-tutor");
});

test("notes are read when asked for, and kept", async () => {
  const page = await watch();
  await page.getByText("Notes on the student").click();
  await page.getByText("No notes yet.").waitFor();
  await page.getByLabel("A new note").fill("<b>Likes</b> pictures");
  await page.getByRole("button", { name: "Keep the note" }).click();
  await page.locator(".a-note", { hasText: "<b>Likes</b> pictures" }).getByText("You ·").waitFor();
});

test("a replay runs, stops, and goes where one points", async () => {
  const at = (ms) => new Date(Date.UTC(2026, 0, 5, 9) + ms).toISOString();
  desk.replay = {
    session: {}, acts: [{ id: "x1", at: at(9000), kind: "whispered", by: kay, whisper: { text: "Ask back.", until: "next", state: "used" } }, { id: "x2", at: at(9500), kind: "took_over", by: kay }],
    signals: [{ kind: "struggling", level: 2, score: 60, why: "asked twice", started_at: at(8000), ended_at: null }],
    messages: [message("q1", ada, "Why?", { created_at: at(0) }), message("a1", null, "Because of this.", { created_at: at(100), pace: [[500, 8], [1500, 8]] })],
  };
  const page = await open(`replay/${desk.session}`);
  await page.getByText("Because of this.").waitFor();
  await page.getByText("Ms Kay whispered to the AI: Ask back.").first().waitFor();
  await check(page, "replay");
  await page.getByLabel("Where in the replay").fill("1000");
  await until(async () => (await page.locator(".from-assistant .answer").innerText()) === "Because", "the half of the answer");
  assert.equal(await page.locator(".tutor-line").count(), 0);
  await page.getByRole("button", { name: "Play", exact: true }).click();
  await page.getByText("Because of this.").waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: /Ms Kay took over/ }).click();
  assert.equal(await page.locator(".tutor-line").count(), 2);
  assert.deepEqual(stage.complaints, []);
});

for (const [name, options] of [["wide", { viewport: { width: 1200, height: 800 } }], ["dark", { colorScheme: "dark" }], ["phone", { viewport: { width: 360, height: 740 } }]]) {
  test(`everybody can use it: ${name}`, async () => {
    desk.whispers = [whisper("w1", "Be kind."), whisper("w2", "Use pictures.", { by: lee, state: "used" })];
    desk.state = { ...desk.state, hand_raised: true, hand: { since: new Date().toISOString(), claimed_by: null }, run: "r9" };
    desk.messages.push(message("c1", kay, "It is three quarters.", { corrects: "a1" }));
    desk.messages[1].corrected_by = "c1";
    const page = await watch(options);
    desk.tell("signals", { hand_raised: true, idle_s: 0, struggling: { score: 0, why: "" }, items: ["hand", "safety", "idle"].map((kind) => ({ kind, level: 3, since: new Date().toISOString(), why: "one line that says why" })) });
    await page.locator(".watched-signals li").last().waitFor();
    for (const key of ["w", "s", "t"]) {
      await page.keyboard.press(key);
      await page.keyboard.press("Escape");
      await check(page, `${name} ${key}`);
    }
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/watch-${name}.png` });
    assert.ok((await box(page).boundingBox()).y < (options.viewport?.height ?? 700), "there is room to write");
  });
}

test("the student is told plainly who comes, takes over and goes", async () => {
  desk.state.watchers = [];
  const page = await open(desk.session, { role: "student" });
  await page.locator(".from-assistant").waitFor();
  desk.now({ hand_raised: true, hand: { since: new Date().toISOString(), claimed_by: null } });
  await page.getByRole("button", { name: "Hand is up" }).waitFor();
  desk.now({ hand: { since: new Date().toISOString(), claimed_by: kay } });
  await page.locator("#presence").getByText("Ms Kay is coming").waitFor();
  await page.locator(".tutor-line").getByText("Ms Kay is coming.").waitFor();
  desk.now({ control: "tutor", tutor: kay, watchers: [kay], hand_raised: false, hand: undefined });
  await page.locator("#news").getByText("Ms Kay has taken over. The AI is silent.").waitFor({ state: "attached" });
  await page.getByText("You are writing to Ms Kay, a human tutor.").waitFor();
  desk.say("t1", "I am a person.", { name: "Ms Kay", metadata: { fynq: { author: "tutor" } } });
  await page.locator(".from-tutor .author .glyph-person").waitFor();
  assert.equal(await page.locator(".from-tutor .author").innerText(), "Ms Kay · human tutor");
  desk.say("c1", "Three quarters.", { name: "Ms Kay", metadata: { fynq: { author: "tutor", corrects: "a1" } } });
  await page.locator(".from-assistant del.struck").waitFor();
  await check(page, "held");
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/student-held.png` });
  desk.now({ control: "ai", tutor: null });
  await page.locator(".tutor-line").getByText("Ms Kay handed back to the AI.").waitFor();
  desk.now({ control: "tutor", tutor: kay, watchers: [kay] });
  desk.now({ watchers: [] });
  desk.now({ control: "ai", tutor: null });
  await page.locator(".tutor-line").getByText("Ms Kay had to leave; the AI answers again.").waitFor();
  assert.equal(await page.locator(".from-assistant").getByRole("button", { name: "Correct", exact: true }).count(), 0, "a student corrects nothing");
  assert.deepEqual(stage.complaints, []);
});

test("a student who types the tutors' address sees no more than that it is one", async () => {
  const page = await open(`observe/${desk.session}`, { role: "student" });
  await page.getByText("This page is for tutors.").waitFor();
  assert.equal(desk.socket, null);
  assert.ok(await page.locator("#to-observe").isHidden());
});

test("a session that is gone, or no longer one's own, is said", async () => {
  const page = await watch();
  await desk.socket.close({ code: 4404 });
  await page.locator(".watched-banner").getByText("This conversation is no longer here.").waitFor();
  assert.ok(await page.locator(".desk-send").isDisabled());
});
