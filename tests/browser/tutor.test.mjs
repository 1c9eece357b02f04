// A student and two tutors, each in a browser of their own, against the real server: watch, whisper, raise a hand,
// claim, take over, hand back, correct.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { answers, ask, emu, finished, numbered, openBrowser, openPage, Server, signIn, signUp, tutor as admin, until } from "./stage.mjs";

let server, browser, ada, kay, lee;
/** Their sockets' text as the student's browser got it, so that nothing of a whisper can hide in it. */
let received;

before(async () => {
  server = await Server.start();
  browser = await openBrowser();
  await makeTutors();
});
after(async () => {
  await browser?.close();
  await server?.end();
});
afterEach(async () => {
  for (const who of [ada, kay, lee]) await who?.context.close();
  for (const who of [ada, kay, lee]) assert.deepEqual(who?.strangers ?? [], []);
});

const password = "a tutor's long sentence";
const people = [["kay@school.example", "Ms Kay"], ["lee@school.example", "Mr Lee"]];
let code = "";

/** Two tutors who run one class, whose code the student signs up with. */
async function makeTutors() {
  const post = async (path, body, token) => {
    const reply = await fetch(`${server.url}/api/v1${path}`, { method: "POST", headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) }, body: JSON.stringify(body) });
    assert.ok(reply.ok, `${path}: ${reply.status} ${await reply.clone().text()}`);
    return reply.status === 204 ? null : reply.json();
  };
  const { access_token } = await post("/auth/login", admin);
  const made = [];
  for (const [email, display_name] of people) made.push(await post("/admin/users", { email, password, display_name, role: "tutor" }, access_token));
  const first = await post("/auth/login", { email: people[0][0], password });
  const group = await post("/classes", { name: "7b" }, first.access_token);
  await post(`/classes/${group.id}/members`, { user_id: made[1].id, as: "tutor" }, first.access_token);
  code = group.join_code;
}

beforeEach(async () => {
  ada = await openPage(browser, server.url);
  received = "";
  ada.page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => (received += payload)));
  await signUp(ada.page, "Ada Berg", code);
  await ask(ada.page, `What is one half? ${emu({ say: "A half is one of two." })}`);
  await finished(ada.page, 1);
  const session = new URL(ada.page.url()).hash.slice(1);
  [kay, lee] = await Promise.all(people.map(async ([email]) => {
    const who = await openPage(browser, `${server.url}/#observe/${session}`, { viewport: { width: 1200, height: 800 } });
    await signIn(who.page, { email, password });
    await who.page.goto(`${server.url}/#observe/${session}`);
    await who.page.locator(".watched .from-assistant").waitFor();
    return who;
  }));
});

const desk = (who) => who.page.locator(".desk");
async function write(who, mode, text) {
  await desk(who).getByRole("radio").nth(["whisper", "say", "take_over"].indexOf(mode)).check();
  await desk(who).locator("textarea").fill(text);
  await desk(who).locator("textarea").press("Enter");
}
const lines = (who) => who.page.locator(".tutor-line");

test("two tutors watch an answer as it streams, and the student sees both", async () => {
  await ada.page.locator("#presence").getByText(/Ms Kay and Mr Lee|Mr Lee and Ms Kay/).waitFor();
  await ask(ada.page, `Go on ${emu({ say: numbered(80), chunks: 80, delay_us: 20000 })}`);
  for (const who of [kay, lee]) await who.page.locator(".from-assistant").getByText("word3").waitFor();
  const text = await finished(ada.page, 2);
  for (const who of [kay, lee]) await until(async () => (await who.page.locator(".from-assistant .answer").last().innerText()) === text, "the same text");
  await lee.context.close();
  await until(async () => !/Lee/.test(await ada.page.locator("#presence").innerText()), "one has gone");
});

test("a whisper is seen by both tutors, is used, and not a byte of it reaches the student", async () => {
  const secret = "zebrafinch lantern";
  await write(kay, "whisper", secret);
  await lee.page.locator(".guidance-list", { hasText: secret }).getByText("Ms Kay").waitFor();
  await ask(ada.page, `And a third? ${emu({ say: "A third is one of three." })}`);
  await finished(ada.page, 2);
  for (const who of [kay, lee]) await who.page.locator(".guidance-list li[data-state='used']", { hasText: secret }).waitFor();
  await write(lee, "whisper", `${secret} again`);
  await lee.page.getByRole("button", { name: /^Withdraw: zebrafinch/ }).click();
  await kay.page.locator(".guidance-list li[data-state='withdrawn']").waitFor();
  await ada.page.reload();
  await finished(ada.page, 2);
  assert.ok(!received.includes("zebrafinch") && !(await ada.page.content()).includes("zebrafinch"));
});

test("a hand goes up, one tutor comes, the other is told, and the student sees who", async () => {
  await ada.page.getByRole("button", { name: "Ask a human" }).click();
  await Promise.all([kay, lee].map((who) => who.page.getByRole("button", { name: "I’m coming" }).waitFor()));
  await kay.page.getByRole("button", { name: "I’m coming" }).click();
  await ada.page.locator("#presence").getByText("Ms Kay is coming").waitFor();
  await lee.page.locator(".watched-state").getByText("Ms Kay is coming").waitFor();
  await kay.page.getByRole("button", { name: "Lower the hand" }).click();
  await ada.page.getByRole("button", { name: "Ask a human" }).waitFor();
});

test("a tutor takes over in mid-answer, both write, the other cannot, and the AI goes on after the hand-back", async () => {
  await ask(ada.page, `Go on ${emu({ say: numbered(400), chunks: 400, delay_us: 20000 })}`);
  await answers(ada.page).last().getByText("word5").waitFor();
  await kay.page.locator(".watched-acts").getByRole("button", { name: "Take over" }).click();
  await ada.page.getByText("Your tutor took over here.").waitFor();
  await lines(ada).getByText("Ms Kay has taken over. The AI is silent.").waitFor();
  const cut = await answers(ada.page).last().locator(".answer").innerText();
  await write(kay, "take_over", "Let us do it **together**.");
  await ada.page.locator(".from-tutor strong", { hasText: "together" }).waitFor();
  await ask(ada.page, "Thank you!");
  await kay.page.locator(".from-student", { hasText: "Thank you!" }).waitFor();
  await lee.page.locator(".desk").getByRole("radio").nth(2).check();
  await lee.page.getByText("Ms Kay is in charge here already.").waitFor();
  assert.equal(await answers(ada.page).last().locator(".answer").innerText(), cut, "not one late word");
  await kay.page.reload();
  await kay.page.locator(".watched[data-holder='me']").waitFor();
  await kay.page.locator(".watched-acts").getByRole("button", { name: "Hand back" }).click();
  await kay.page.getByLabel("What should the AI do next?").fill("Ask her for a picture.");
  await kay.page.getByRole("dialog").getByRole("button", { name: "Hand back", exact: true }).click();
  await lines(ada).getByText("Ms Kay handed back to the AI.").waitFor();
  await ask(ada.page, `And now? ${emu({ say: "Draw it." })}`);
  await answers(ada.page).getByText("Draw it.").waitFor();
  assert.ok(!received.includes("for a picture"));
});

test("an answer is corrected for everybody, and stays so after a reload", async () => {
  await kay.page.locator(".from-assistant").first().getByRole("button", { name: "Correct", exact: true }).click();
  await kay.page.getByLabel("What the answer should say").fill("A half is one of two **equal** parts.");
  await kay.page.getByRole("button", { name: "Replace the answer" }).click();
  for (const who of [ada, lee]) {
    await who.page.locator("del.struck", { hasText: "A half is one of two." }).waitFor();
    await who.page.getByText("Corrected by Ms Kay").waitFor();
    await who.page.locator(".from-tutor strong", { hasText: "equal" }).waitFor();
  }
  await ada.page.reload();
  await ada.page.locator("del.struck").waitFor();
  await ada.page.getByRole("button", { name: "See the correction" }).click();
  assert.match(await ada.page.evaluate(() => document.activeElement.className), /from-tutor/);
});

test("what happened is played again, for tutors alone", async () => {
  await write(kay, "say", "I saw that.");
  await ada.page.locator(".from-tutor").waitFor();
  await kay.page.getByRole("link", { name: "Replay" }).click();
  await kay.page.locator(".replay-marks").getByText("Ms Kay wrote to the student").waitFor();
  await kay.page.getByLabel("Where in the replay").fill("0");
  await kay.page.getByRole("button", { name: "Play", exact: true }).click();
  await kay.page.locator(".replay .from-tutor").waitFor({ timeout: 30_000 });
});
