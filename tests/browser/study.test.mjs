// To practise with: a tutor has cards and questions made and publishes them, a student practises; and a student has
// the problems on a photographed worksheet listed and asks about one.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { check } from "./eye.mjs";
import { finished, openBrowser, openPage, questions, Server, signIn, signUp, tutor, until } from "./stage.mjs";

let server, browser, open;
before(async () => {
  server = await Server.start();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await server?.end();
});
beforeEach(() => {
  open = [];
});
afterEach(async () => {
  for (const { context, strangers, complaints } of open) {
    await context.close();
    assert.deepEqual(strangers, [], "nobody else was asked for anything");
    assert.deepEqual(complaints.filter((text) => !/40[49]/.test(text)), []);
  }
});

async function visitor(options = {}) {
  const stage = await openPage(browser, server.url, options);
  open.push(stage);
  return stage.page;
}

const toast = (page, text) => page.locator("#toast").getByText(text).waitFor();
const body = "A half is one of two equal parts.\n\nTwo halves together make a $1$.\n\nA quarter is the half of a half.";

test("cards and questions go from the text to a student who practises with them", async () => {
  const desk = await visitor();
  await signIn(desk, tutor);
  await desk.goto(`${server.url}/#library/new`);
  await desk.getByLabel("Title").fill("Halves");
  await desk.getByLabel("Text", { exact: true }).fill(body);
  await desk.getByLabel("Who may read it").selectOption("published");
  await desk.getByRole("button", { name: "Save" }).click();
  await desk.getByRole("heading", { level: 1, name: "Halves" }).waitFor();
  const address = new URL(desk.url()).hash;
  await desk.getByRole("button", { name: "Make flash cards" }).click();
  await desk.getByRole("progressbar", { name: "Making flash cards" }).waitFor();
  const cards = desk.getByRole("list", { name: "Flash cards" });
  await until(async () => (await cards.getByRole("listitem").count()) === 3, "three cards");

  const page = await visitor();
  await signUp(page);
  await page.goto(`${server.url}/${address}`);
  await page.locator(".reading").waitFor();
  await page.getByRole("group", { name: "Flash cards" }).waitFor({ state: "detached" });

  await desk.getByRole("button", { name: "Edit card 1" }).click();
  await desk.getByRole("dialog").getByLabel("Front").fill("What is a half of $x$?");
  await desk.getByRole("dialog").getByLabel("Back").fill("$\\frac{x}{2}$");
  await desk.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await cards.getByText("What is a half of").waitFor();
  await desk.getByRole("button", { name: "Remove card 3" }).click();
  await until(async () => (await cards.getByRole("listitem").count()) === 2, "one less");
  await check(desk, "the desk of cards");
  await desk.getByRole("button", { name: "Publish" }).click();
  await toast(desk, "Published");
  await desk.getByRole("button", { name: "Make practice questions" }).click();
  await desk.getByRole("list", { name: "Practice questions" }).waitFor();
  await desk.getByRole("button", { name: "Publish" }).click();
  await desk.getByRole("button", { name: "Publish" }).waitFor({ state: "detached" });

  await page.reload();
  const deck = page.getByRole("group", { name: /^Flash cards/ });
  await deck.getByText("Card 1 of 2 · question").waitFor();
  await deck.locator(".katex").waitFor();
  await deck.focus();
  await page.keyboard.press("Space");
  await deck.getByText("Card 1 of 2 · answer").waitFor();
  await check(page, "a card's answer");
  await page.keyboard.press("ArrowRight");
  await deck.getByText("Card 2 of 2 · question").waitFor();
  await deck.locator(".flash-card").click();
  await deck.getByText("Card 2 of 2 · answer").waitFor();
  await deck.getByRole("button", { name: "Next" }).click();
  await deck.getByText("Card 1 of 2 · question").waitFor();
  await deck.getByRole("button", { name: "Turn over" }).press("Space");
  await deck.getByText("Card 1 of 2 · answer").waitFor();

  const first = page.locator(".questions > li").first();
  const choices = first.getByRole("radio");
  assert.ok((await choices.count()) >= 2);
  assert.equal(await first.locator(".solution").isVisible(), false, "the answer waits to be asked for");
  const told = new Set();
  for (let at = 0; at < (await choices.count()); at += 1) {
    await choices.nth(at).check();
    told.add(await first.getByRole("status").innerText());
  }
  assert.deepEqual([...told].sort(), ["Not quite. Look again, or see the answer.", "Yes, that is it."]);
  await first.getByRole("button", { name: "Show the answer" }).click();
  await first.getByText("The text says:").waitFor();
  await check(page, "questions");
  assert.equal(await page.getByRole("button", { name: "Take back" }).count(), 0);
});

test("the problems on a photographed worksheet are listed, and one is asked about", async () => {
  const page = await visitor({ viewport: { width: 360, height: 740 } });
  await signUp(page);
  const url = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 300, height: 400 });
    canvas.getContext("2d").fillRect(20, 20, 100, 10);
    return canvas.toDataURL("image/jpeg");
  });
  await page.locator("#attach-file").setInputFiles({ name: "sheet.jpg", mimeType: "image/jpeg", buffer: Buffer.from(url.split(",")[1], "base64") });
  await until(async () => (await page.locator("#attached > li[data-stage='ready']").count()) === 1, "the picture is there");
  await page.getByRole("button", { name: "Send" }).click();
  await finished(page);
  await questions(page).getByRole("button", { name: "List the problems on sheet.jpg" }).click();
  const sheet = page.getByRole("dialog", { name: "Problems on this sheet" });
  await sheet.getByRole("list", { name: "Problems" }).waitFor();
  assert.equal(await sheet.getByRole("listitem").count(), 3);
  await sheet.locator(".katex").first().waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, "nothing sticks out");
  await check(page, "the problems of a sheet");
  await sheet.getByRole("button", { name: "Help me with problem 2" }).click();
  await sheet.waitFor({ state: "detached" });
  assert.equal(await page.locator("#write").inputValue(), "Help me with problem 2: Solve $2x + 3 = 11$ for $x$.");
  await page.getByRole("button", { name: "Send" }).click();
  await until(async () => (await questions(page).count()) === 2, "the question");
  await finished(page, 2);
  // There is a list already: it is there at once.
  await questions(page).first().getByRole("button", { name: "List the problems on sheet.jpg" }).click();
  await sheet.getByRole("list", { name: "Problems" }).waitFor();
  await page.keyboard.press("Escape");
  await sheet.waitFor({ state: "detached" });
});
