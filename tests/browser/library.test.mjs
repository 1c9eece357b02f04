// The library: a tutor writes with the preview beside it and publishes, a student finds and reads, and the AI
// tutor cites it with a link.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { check } from "./eye.mjs";
import { pictures } from "./pictures.mjs";
import { answers, ask, finished, openBrowser, openPage, Server, signIn, signUp, tutor, until } from "./stage.mjs";

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
const shown = (page, name) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
const body = "## What a half is\n\nA half of $x$ is $\\frac{x}{2}$: one of **two equal parts**.\n\n<b>no markup</b>\n\n- fold a sheet\n- share an apple";

test("a tutor writes and publishes, a student finds and reads, the AI tutor cites it", async () => {
  const desk = await visitor();
  await signIn(desk, tutor);
  await desk.getByRole("link", { name: "Library" }).click();
  await shown(desk, "Library");
  await desk.getByText("Nothing here yet.").waitFor();
  await desk.getByRole("link", { name: "Write something" }).click();
  await shown(desk, "Write for the library");
  await desk.getByLabel("Title").fill("Halves and wholes");
  await desk.getByLabel("Text", { exact: true }).fill(body);
  // What it will look like, as it is written.
  const preview = desk.getByRole("region", { name: "Preview" });
  await preview.getByRole("heading", { name: "What a half is" }).waitFor();
  await preview.locator(".katex").first().waitFor();
  assert.equal(await preview.locator("b").count(), 0, "markup is text");
  await desk.getByLabel("Subject").fill("Maths");
  await desk.getByLabel("From school year").fill("5");
  await desk.getByLabel("Up to school year").fill("x");
  await desk.getByRole("button", { name: "Save" }).click();
  await desk.getByText("Please write a number up to 20.").waitFor();
  await desk.getByLabel("Up to school year").fill("6");
  await check(desk, "the desk");
  await pictures(desk, "library-writing");
  await desk.getByRole("button", { name: "Save" }).click();
  await toast(desk, "Saved");
  await shown(desk, "Halves and wholes");
  await desk.getByText("Draft", { exact: true }).waitFor();
  const address = new URL(desk.url()).hash;

  const page = await visitor();
  await signUp(page);
  await page.getByRole("link", { name: "Library" }).click();
  await page.getByText("Your tutors have put nothing here yet.").waitFor();
  await page.goto(`${server.url}/${address}`);
  await page.getByText("That is no longer here.").waitFor();

  await desk.getByRole("link", { name: "Edit" }).click();
  await desk.getByLabel("Who may read it").selectOption("published");
  await desk.getByRole("button", { name: "Save" }).click();
  await toast(desk, "Saved");

  await page.goto(`${server.url}/#library`);
  await page.reload();
  await page.getByLabel("Search the library").fill("equal part");
  await until(async () => (await page.locator(".excerpt mark").allInnerTexts()).join(" ") === "equal parts", "the words are marked");
  assert.equal(await page.locator(".excerpt b").count(), 0, "nothing of the text is markup");
  await check(page, "the library, searched");
  await pictures(page, "library-search");
  await page.getByLabel("Search the library").fill("zebra");
  await page.getByText("Nothing found.").waitFor();
  await page.getByLabel("Search the library").fill("");
  await page.getByRole("link", { name: "Halves and wholes" }).click();
  await shown(page, "Halves and wholes");
  await page.locator(".reading .katex").first().waitFor();
  assert.equal(await page.getByRole("link", { name: "Edit" }).count(), 0);
  await page.getByText("Years 5 to 6").waitFor();
  await check(page, "reading");
  await pictures(page, "library-reading");

  // The AI tutor looks it up, and its link leads there.
  await page.keyboard.press("Alt+n");
  await ask(page, "Is there something on halves in the library?");
  await finished(page, 1);
  await pictures(page, "library-cited");
  await answers(page).last().getByRole("link", { name: "Halves and wholes" }).click();
  await shown(page, "Halves and wholes");
  assert.equal(new URL(page.url()).hash, address);
});

test("what was written is changed by one at a time, and an older version comes back", async () => {
  const desk = await visitor();
  await signIn(desk, tutor);
  await desk.goto(`${server.url}/#library/new`);
  await desk.getByLabel("Title").fill("Thirds");
  await desk.getByLabel("Text", { exact: true }).fill("One of three.");
  await desk.getByRole("button", { name: "Save" }).click();
  await shown(desk, "Thirds");
  await desk.getByRole("link", { name: "Edit" }).click();
  await shown(desk, "Edit: Thirds");
  const address = desk.url();
  const other = await visitor();
  await signIn(other, tutor);
  await other.goto(address);
  await other.getByLabel("Text", { exact: true }).fill("One of three equal parts.");
  await other.getByRole("button", { name: "Save" }).click();
  await toast(other, "Saved");
  await desk.getByLabel("Text", { exact: true }).fill("Too late.");
  await desk.getByRole("button", { name: "Save" }).click();
  await desk.getByText("Somebody else has changed this meanwhile.").waitFor();
  assert.equal(await desk.getByLabel("Text", { exact: true }).inputValue(), "Too late.", "what was written is still there");

  await other.goto(address);
  await other.getByRole("button", { name: "Look at version 1" }).click();
  await other.getByRole("dialog").getByText("One of three.", { exact: true }).waitFor();
  await other.getByRole("button", { name: "Close" }).click();
  await other.getByRole("button", { name: "Put back version 1" }).click();
  await other.getByRole("dialog").getByRole("button", { name: "Put back" }).click();
  await toast(other, "It is back.");
  await until(async () => (await other.getByLabel("Text", { exact: true }).inputValue()) === "One of three.", "the older text");
  await check(other, "the desk with versions");
  await other.getByRole("button", { name: "Delete", exact: true }).click();
  await other.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await toast(other, "Deleted");
  await other.getByRole("link", { name: "Thirds" }).waitFor({ state: "detached" });
});

test("the library by subject and school year, and a reload keeps the choice", async () => {
  const desk = await visitor();
  await signIn(desk, tutor);
  const put = (content) => desk.evaluate(async (body) => {
    const { createContent } = await import("/js/net/library.js");
    await createContent({ body: "Words.", state: "published", ...body });
  }, content);
  await put({ title: "Volcanoes", subject: "Geography", grade_lowest: 5, grade_highest: 6 });
  await put({ title: "Rivers", subject: "geography", grade_lowest: 9 });
  await put({ title: "Verbs", subject: "German" });
  const page = await visitor();
  await signUp(page);
  await page.goto(`${server.url}/#library`);
  const titles = () => page.locator(".row-link").allInnerTexts();
  const are = (wanted) => until(async () => JSON.stringify(await titles()) === JSON.stringify(wanted), wanted.join(", "));
  await until(async () => (await page.getByLabel("Subject").locator("option").allInnerTexts()).includes("German"), "the subjects that there are");
  const subjects = await page.getByLabel("Subject").locator("option").allInnerTexts();
  assert.equal(subjects.filter((each) => each.toLowerCase() === "geography").length, 1, "each once");
  await page.getByLabel("Subject").selectOption(subjects.find((each) => each.toLowerCase() === "geography"));
  await are(["Rivers", "Volcanoes"]);
  await page.getByLabel("School year").selectOption("6");
  await are(["Volcanoes"]);
  await check(page, "the library, chosen from");
  await pictures(page, "library-filters");
  await page.reload();
  await are(["Volcanoes"]);
  assert.match(new URL(page.url()).hash, /^#library\?subject=geography&grade=6$/i);
  await page.getByRole("link", { name: "Volcanoes" }).click();
  await shown(page, "Volcanoes");
  await page.goBack();
  await are(["Volcanoes"]);
  await page.getByLabel("Search the library").fill("words");
  await are(["Volcanoes"]);
  await page.getByLabel("School year").selectOption("");
  await until(async () => (await titles()).length === 2, "both of that subject");
  await page.getByLabel("Subject").selectOption("German");
  await are(["Verbs"]);
});
