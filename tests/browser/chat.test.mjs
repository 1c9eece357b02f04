// A student signs up, asks, and does with the answer what one does with answers.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { answers, anotherPage, ask, emu, finished, numbered, openBrowser, openPage, questions, Server, signUp, tutor, until } from "./stage.mjs";

let server, browser, stage;
before(async () => {
  server = await Server.start();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await server?.end();
});
beforeEach(async () => {
  stage = await openPage(browser, server.url);
});
afterEach(async () => {
  await stage.context.close();
  assert.deepEqual(stage.strangers, [], "nobody else was asked for anything");
});

const lesson = [
  "Let us solve $3x + 5 = 20$, **step by step**. It costs $5 or $6.",
  "$$\nx = \\frac{15}{3}\n$$",
  "| left | right |\n|:-----|------:|\n| 20 | 20 |",
  "```python\nfor x in range(10):\n    print(\"x is\", x)  # the answer\n```",
  "Done, see [this page](https://example.org/algebra).",
].join("\n\n");

test("a question is sent, and its answer streams in without a finished block being touched", async () => {
  const { page, complaints } = stage;
  await signUp(page);
  await page.evaluate(() => {
    window.lengths = new Set();
    new MutationObserver(() => {
      const answer = document.querySelector(".from-assistant .answer");
      if (!answer) return;
      window.lengths.add(answer.textContent.length);
      if (answer.children.length > 2) window.first ??= answer.firstElementChild;
    }).observe(document.querySelector("#transcript"), { subtree: true, childList: true, characterData: true });
  });
  const paragraphs = Array.from({ length: 8 }, (_, index) => `Paragraph ${index}: ${numbered(8)}.`).join("\n\n");
  await ask(page, `Teach me ${emu({ say: paragraphs, chunks: 60, delay_us: 15000 })}`);
  await questions(page).getByText("Sent", { exact: true }).waitFor();
  assert.equal(await finished(page), await page.evaluate(() => document.querySelector(".from-assistant .answer").innerText));
  const { steps, same, count } = await page.evaluate(() => ({
    steps: window.lengths.size,
    same: window.first === document.querySelector(".from-assistant .answer").firstElementChild,
    count: document.querySelectorAll(".from-assistant .answer > p").length,
  }));
  assert.ok(steps > 10, `the text grew in ${steps} steps`);
  assert.ok(same, "the first paragraph is the same node as while it streamed");
  assert.equal(count, 8);
  assert.deepEqual(complaints, []);
});

test("Markdown, formulas and code are drawn with the network closed to others", async () => {
  const { page, complaints, context } = stage;
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await signUp(page);
  await ask(page, `Show me ${emu({ say: lesson, chunks: 200, delay_us: 2000 })}`);
  await finished(page);
  const answer = answers(page).last();
  await answer.locator("p .katex").first().waitFor();
  await answer.locator(".math.display .katex-display").waitFor();
  await answer.locator(".hl-keyword", { hasText: "for" }).waitFor();
  assert.equal(await answer.locator("strong").innerText(), "step by step");
  assert.equal(await answer.locator("td.align-right").innerText(), "20");
  assert.match(await answer.locator("p").first().innerText(), /It costs \$5 or \$6\./);
  const link = answer.getByRole("link");
  assert.equal(await link.innerText(), "this page (example.org)");
  assert.equal(await link.getAttribute("rel"), "noopener noreferrer nofollow");
  await answer.getByRole("button", { name: "Copy code" }).click();
  await page.getByText("Copied", { exact: true }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'for x in range(10):\n    print("x is", x)  # the answer');
  await answer.getByRole("button", { name: "Copy message" }).click();
  await until(async () => (await page.evaluate(() => navigator.clipboard.readText())) === lesson, "the message's Markdown on the clipboard");
  assert.deepEqual(complaints, []);
});

test("Esc stops an answer, Try again gives another in its place", async () => {
  const { page } = stage;
  await signUp(page);
  await ask(page, `Go on ${emu({ say: numbered(400), chunks: 400, delay_us: 20000 })}`);
  await answers(page).getByText("word5").waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("You stopped this answer.").waitFor();
  const stopped = await finished(page, 1);
  assert.ok(stopped.startsWith("word0 word1") && !stopped.includes("word399"), stopped.slice(-20));
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByText("You stopped this answer.").waitFor({ state: "hidden" });
  await answers(page).getByText("word5").waitFor();
  await page.getByRole("button", { name: "Stop answering" }).click();
  await page.getByText("You stopped this answer.").waitFor();
  assert.equal(await answers(page).count(), 1);
  assert.equal(await questions(page).count(), 1);
});

test("an edited question takes the place of the old one and of all that followed", async () => {
  const { page } = stage;
  await signUp(page);
  await ask(page, `First question ${emu({ say: "First answer." })}`);
  assert.equal(await finished(page, 1), "First answer.");
  await ask(page, `Second question ${emu({ say: "Second answer." })}`);
  assert.equal(await finished(page, 2), "Second answer.");
  await questions(page).first().hover();
  await questions(page).first().getByRole("button", { name: "Edit" }).click();
  assert.match(await page.getByLabel("Your message").inputValue(), /^First question/);
  await ask(page, `Better question ${emu({ say: "Better answer." })}`);
  await answers(page).getByText("Better answer.").waitFor();
  await finished(page, 1);
  assert.equal(await questions(page).count(), 1);
  await page.reload();
  await answers(page).getByText("Better answer.").waitFor();
  assert.equal(await answers(page).count(), 1);
});

test("a reload in mid-answer ends with the whole answer", async () => {
  const { page } = stage;
  await signUp(page);
  await ask(page, `Count ${emu({ say: numbered(150), chunks: 150, delay_us: 15000 })}`);
  await answers(page).getByText("word10").waitFor();
  await page.reload();
  await answers(page).getByText("word20").waitFor();
  assert.equal(await finished(page), numbered(150));
});

test("two tabs show the same", async () => {
  const { page, context } = stage;
  await signUp(page);
  await ask(page, `Hello ${emu({ say: "One." })}`);
  await finished(page, 1);
  const { page: second } = await anotherPage(context, page.url());
  await answers(second).getByText("One.").waitFor();
  await ask(second, `Count ${emu({ say: numbered(80), chunks: 80, delay_us: 10000 })}`);
  assert.equal(await finished(page, 2), numbered(80));
  assert.equal(await finished(second, 2), numbered(80));
  assert.deepEqual(await questions(page).locator(".said").allInnerTexts(), await questions(second).locator(".said").allInnerTexts());
});

test("the text is followed only while the reader is at its end", async () => {
  const { page } = stage;
  await signUp(page);
  await ask(page, `Long ${emu({ say: numbered(900).replaceAll(/(word\d*0) /g, "$1\n\n"), chunks: 300, delay_us: 15000 })}`);
  const scroller = page.locator("#scroller");
  const place = () => scroller.evaluate((element) => ({ top: element.scrollTop, left: element.scrollHeight - element.clientHeight - element.scrollTop }));
  await until(async () => (await place()).top > 300, "the text is longer than the window");
  assert.ok((await place()).left <= 64, "followed");
  await scroller.evaluate((element) => element.scrollBy(0, -120));
  await page.getByRole("button", { name: "To the newest" }).waitFor();
  const { top } = await place();
  const length = await answers(page).innerText();
  await until(async () => (await answers(page).innerText()).length > length.length + 600, "much more text came");
  assert.equal((await place()).top, top, "the reader was left alone");
  await page.getByRole("button", { name: "To the newest" }).click();
  const before = (await answers(page).innerText()).length;
  await until(async () => (await answers(page).innerText()).length > before + 200, "more text came");
  assert.ok((await place()).left <= 64, "followed again");
});

test("conversations are listed, found, renamed and deleted", async () => {
  const { page } = stage;
  await signUp(page);
  await ask(page, `Volcanoes please ${emu({ say: "Hot." })}`);
  await finished(page, 1);
  await page.getByRole("button", { name: "New conversation" }).click();
  await ask(page, `Glaciers please ${emu({ say: "Cold." })}`);
  await finished(page, 1);
  const list = page.getByRole("navigation", { name: "Your conversations" });
  assert.deepEqual(await list.getByRole("link").allInnerTexts(), ["Glaciers please", "Volcanoes please"]);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("volc");
  await until(async () => (await list.getByRole("link").count()) === 1, "the search narrows the list");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await answers(page).getByText("Hot.").waitFor();
  await page.getByLabel("Search conversations").fill("");
  await page.getByRole("button", { name: "More for Volcanoes please" }).click();
  await page.getByRole("menuitem", { name: "Rename" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("Mountains of fire");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Mountains of fire" }).waitFor();
  await page.getByRole("button", { name: "More for Mountains of fire" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await until(async () => (await list.getByRole("link").count()) === 1, "it is gone from the list");
  await page.locator("#empty h2").waitFor();
  await page.reload();
  await list.getByRole("link").first().waitFor();
  assert.deepEqual(await list.getByRole("link").allInnerTexts(), ["Glaciers please"]);
});

test("a failed answer says so in plain words and can be tried again", async () => {
  const { page } = stage;
  await signUp(page);
  await ask(page, `Fail ${emu({ fault: "cut", at: 2, chunks: 6, delay_us: 1000 })}`);
  await answers(page).locator(".note-alert").waitFor();
  assert.match(await answers(page).locator(".note").innerText(), /broke off|can't be reached|couldn't read|cut short/);
  await page.getByRole("button", { name: "Try again" }).waitFor();
});

test("signing out leaves nothing behind, in this tab and the next", async () => {
  const { page, context } = stage;
  const student = await signUp(page);
  await ask(page, `Private ${emu({ say: "Secret." })}`);
  await finished(page, 1);
  const { page: second } = await anotherPage(context, page.url());
  await answers(second).getByText("Secret.").waitFor();
  await page.getByRole("button", { name: /your account/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  for (const each of [page, second]) {
    await each.getByRole("heading", { name: "Sign in" }).waitFor();
    assert.equal(await each.getByText("Secret.").count(), 0);
  }
  assert.equal(await page.evaluate(() => localStorage.getItem("fynq.account")), null);
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await page.getByLabel("Email").fill(student.email);
  await page.getByLabel("Password", { exact: true }).fill("not the password");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByText("The email or the password is not right.").waitFor();
  await page.getByLabel("Password", { exact: true }).fill(student.password);
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "Private" }).waitFor();
});

test("a screen reader hears that an answer begins and its finished text, not every token", async () => {
  const { page } = stage;
  await signUp(page);
  await page.evaluate(() => {
    window.heard = [];
    for (const id of ["status", "spoken"]) {
      const region = document.getElementById(id);
      new MutationObserver(() => window.heard.push(region.innerText.trim())).observe(region, { subtree: true, childList: true, characterData: true });
    }
  });
  await ask(page, `Count ${emu({ say: numbered(60), chunks: 60, delay_us: 5000 })}`);
  await finished(page, 1);
  const heard = (await page.evaluate(() => window.heard)).filter(Boolean);
  assert.equal(heard[0], "fynq is answering.");
  assert.ok(heard.at(-1).endsWith(numbered(60)), heard.at(-1));
  assert.ok(heard.length <= 3, JSON.stringify(heard));
});

test("a human who reads along is seen", { skip: process.env.FYNQ_URL && "needs a server of its own" }, async () => {
  const { page } = stage;
  await signUp(page);
  await ask(page, `Hello ${emu({ say: "Hi." })}`);
  await finished(page, 1);
  // The tutor's own page is another; here they only speak the protocol.
  const desk = await openPage(browser, server.url);
  await desk.page.evaluate(async ({ who, session }) => {
    const post = async (path, body, token) => {
      const headers = { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) };
      return (await fetch(`/api/v1${path}`, { method: "POST", headers, body: JSON.stringify(body) })).json();
    };
    const { access_token } = await post("/auth/login", who);
    const { ticket } = await post("/socket-tickets", {}, access_token);
    window.line = new WebSocket(`ws://${location.host}/api/v1/sessions/${session}/socket`, ["fynq.v1", `ticket.${ticket}`]);
    await new Promise((resolve) => (window.line.onmessage = resolve));
  }, { who: tutor, session: new URL(page.url()).hash.slice(1) });
  await page.locator("#presence").getByText("reading along").waitFor();
  await desk.context.close();
  await page.locator("#presence").waitFor({ state: "hidden" });
});

test("a tutor who takes over speaks by name, and what is not known is passed over", async () => {
  const { page } = stage;
  let near;
  let seq = 0;
  await page.routeWebSocket(/\/socket/, (socket) => {
    near = socket;
    socket.connectToServer().onMessage((message) => {
      const frame = JSON.parse(message);
      seq = frame.seq ?? frame.ctl.head ?? seq;
      socket.send(message);
    });
  });
  await page.reload();
  await signUp(page);
  await ask(page, `Hello ${emu({ say: "Hi." })}`);
  await finished(page, 1);
  const tell = (ctl) => near.send(JSON.stringify({ ctl }));
  const log = (ev) => near.send(JSON.stringify({ seq: (seq += 1), ev }));
  const state = { control: "ai", tutor: null, hand_raised: false, run: null, watchers: [] };
  const okafor = { id: "t", name: "Ms. Okafor" };
  tell({ type: "from_the_future", value: 1 });
  tell({ type: "state", ...state, control: "tutor", tutor: okafor, watchers: [okafor] });
  await page.locator("#presence").getByText("Ms. Okafor is helping you now").waitFor();
  await page.getByPlaceholder("Write to Ms. Okafor…").waitFor();
  log({ type: "RUN_STARTED", threadId: "s", runId: "r" });
  log({ type: "TEXT_MESSAGE_START", messageId: "m", role: "assistant", name: "Ms. Okafor", metadata: { fynq: { author: "tutor" } } });
  log({ type: "A_NEW_EVENT" });
  log({ type: "TEXT_MESSAGE_CONTENT", messageId: "m", delta: "I am a **person**." });
  log({ type: "TEXT_MESSAGE_END", messageId: "m" });
  log({ type: "RUN_FINISHED", threadId: "s", runId: "r", result: { finish_reason: "tutor" } });
  const said = page.locator(".message.from-tutor");
  await said.locator("strong", { hasText: "person" }).waitFor();
  assert.equal(await said.locator(".author").innerText(), "Ms. Okafor · human tutor");
  assert.equal(await said.getByRole("button", { name: "Try again" }).count(), 0, "a person is not asked again at a press");
  tell({ type: "state", ...state, watchers: [okafor] });
  await page.locator("#presence").getByText("Ms. Okafor is reading along").waitFor();
  tell({ type: "draining", retry_after_ms: 1000 });
  await page.getByText("We are updating fynq.").waitFor();
});
