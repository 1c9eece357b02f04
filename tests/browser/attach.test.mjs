// Files of the library: a tutor attaches a book and sees it being read, a student finds a word of one of its pages.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { check } from "./eye.mjs";
import { book } from "./pdf.mjs";
import { pictures } from "./pictures.mjs";
import { openBrowser, openPage, Server, signIn, signUp, tutor, until } from "./stage.mjs";

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
    assert.deepEqual(complaints.filter((text) => !/404|ERR_CONNECTION_RESET/.test(text)), []);
  }
});

async function visitor(options = {}) {
  const stage = await openPage(browser, server.url, options);
  open.push(stage);
  return stage.page;
}

const shown = (page, name) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
const attach = (page, name, buffer, mimeType = "application/pdf") => page.locator(".attaching input[type=file]").setInputFiles({ name, mimeType, buffer });
const attached = (page) => page.getByRole("list", { name: "Attached files" }).getByRole("listitem");

test("a tutor attaches a book of 100 pages and sees it being read; a student finds a word of page 37 and opens it", async () => {
  const desk = await visitor();
  await signIn(desk, tutor);
  await desk.goto(`${server.url}/#library/new`);
  await desk.getByLabel("Title").fill("The night sky");
  await desk.getByLabel("Who may read it").selectOption("published");
  await attach(desk, "sky.pdf", book(100, 37, "zodiac"));
  await attached(desk).getByText("It is there.").waitFor();
  await check(desk, "the desk with a file");
  await pictures(desk, "attach-desk");
  // What is on the screen while it is read.
  await desk.evaluate(() => {
    window.seen = [];
    new MutationObserver(() => {
      const bar = document.querySelector(".task-progress progress");
      const line = document.querySelector(".task-progress .hint")?.textContent ?? "";
      if (bar && window.seen.at(-1)?.line !== line) window.seen.push({ line, value: bar.value, number: document.querySelector(".task-progress .progress-number").textContent });
    }).observe(document.querySelector("#page-body"), { subtree: true, childList: true, characterData: true, attributes: true });
  });
  await desk.getByRole("button", { name: "Save" }).click();
  await shown(desk, "The night sky");
  await desk.getByRole("link", { name: "Edit" }).waitFor();
  await until(() => desk.evaluate(() => window.seen.some(({ value }) => value > 0 && value < 100)), "it is under way", 60_000);
  await check(desk, "while it is read");
  await pictures(desk, "attach-reading");
  await desk.getByRole("link", { name: "Read here: sky.pdf" }).waitFor({ timeout: 90_000 });
  const seen = await desk.evaluate(() => window.seen);
  const rising = seen.filter(({ line }) => /^Reading \d+ of 100 pages$/.test(line));
  assert.ok(rising.length > 1, JSON.stringify(seen));
  assert.deepEqual(rising.map(({ value }) => value), rising.map(({ value }) => value).sort((a, b) => a - b), "it rises");
  assert.ok(rising.every(({ value, number }) => number === `${value} %`), JSON.stringify(seen));

  const page = await visitor();
  await signUp(page);
  await page.goto(`${server.url}/#library`);
  await page.getByLabel("Search the library").fill("zodiac");
  await page.getByText("Page 37:").waitFor();
  assert.deepEqual(await page.locator(".excerpt mark").allInnerTexts(), ["zodiac"]);
  await check(page, "a page that was found");
  await pictures(page, "attach-found");
  await page.getByRole("link", { name: "The night sky" }).click();
  await page.getByRole("heading", { name: "sky.pdf, page 37 of 100" }).waitFor();
  await page.locator(".page-text").getByText("Here it speaks of the zodiac and its light.").waitFor();
  const address = new URL(page.url()).hash;
  assert.match(address, /^#library\/[\da-f-]{36}\?page=37&file=[\da-f-]{36}$/);
  await check(page, "a page, read");
  await pictures(page, "attach-page");
  await page.getByRole("button", { name: "Next page" }).click();
  await page.getByRole("heading", { name: "sky.pdf, page 38 of 100" }).waitFor();
  assert.equal(new URL(page.url()).hash, address.replace("=37", "=38"));
  await page.getByLabel("Go to page").fill("100");
  await page.getByLabel("Go to page").press("Enter");
  await page.getByRole("heading", { name: "sky.pdf, page 100 of 100" }).waitFor();
  assert.ok(await page.getByRole("button", { name: "Next page" }).isDisabled());
  await page.goBack();
  await page.getByRole("heading", { name: "sky.pdf, page 38 of 100" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "sky.pdf, page 38 of 100" }).waitFor();
  const [taken] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download sky.pdf" }).last().click()]);
  assert.equal(taken.suggestedFilename(), "sky.pdf");
});

test("an upload at the desk is tried again, called off and taken away, and what is kept is kept by saving", async () => {
  const desk = await visitor();
  await signIn(desk, tutor);
  await desk.goto(`${server.url}/#library/new`);
  await desk.getByLabel("Title").fill("Worksheets");
  await desk.getByRole("button", { name: "Save" }).click();
  await desk.getByText("Please write something here.").waitFor();
  await desk.route("**/api/v1/files/upload", (route) => route.abort("connectionreset"));
  const text = Buffer.from("Seven times eight is fifty-six.");
  await attach(desk, "sums.txt", text, "text/plain");
  await attached(desk).getByText("There is no connection right now.").waitFor();
  await desk.getByRole("button", { name: "Save" }).click();
  await desk.getByText("A file is not there yet.").waitFor();
  await desk.unroute("**/api/v1/files/upload");
  await desk.getByRole("button", { name: "Try again: sums.txt" }).click();
  await attached(desk).getByText("It is there.").waitFor();
  let held;
  await desk.route("**/api/v1/files/upload", (route) => (held = route));
  await attach(desk, "slow.pdf", book(1, 1, "word"));
  await until(() => held, "the upload has begun");
  await attached(desk).getByRole("progressbar", { name: "Uploading slow.pdf" }).waitFor();
  const calledOff = desk.waitForEvent("requestfailed");
  await desk.getByRole("button", { name: "Cancel slow.pdf" }).click();
  assert.match((await calledOff).url(), /files\/upload$/);
  await until(async () => (await attached(desk).count()) === 1, "it is gone");
  await desk.unroute("**/api/v1/files/upload");
  // Dropped, and taken away: the server forgets it, too.
  await desk.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File(["more"], "more.txt", { type: "text/plain" }));
    document.querySelector(".attaching").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  });
  await until(async () => (await attached(desk).getByText("It is there.").count()) === 2, "what was dropped");
  const deleted = desk.waitForResponse((reply) => reply.request().method() === "DELETE" && reply.url().includes("/files/"));
  await desk.getByRole("button", { name: "Remove more.txt" }).click();
  assert.equal((await deleted).status(), 204);
  await desk.getByRole("button", { name: "Save" }).click();
  await shown(desk, "Worksheets");
  await desk.getByRole("button", { name: "Download sums.txt" }).waitFor();
  // Changing the words keeps the files; taking the file away and saving ends it.
  await desk.goto(`${desk.url()}/edit`);
  await shown(desk, "Edit: Worksheets");
  await desk.getByLabel("Text", { exact: true }).fill("Do all of them.");
  await desk.getByRole("button", { name: "Save" }).click();
  await shown(desk, "Worksheets");
  await desk.locator(".reading").getByText("Do all of them.").waitFor();
  await desk.getByRole("button", { name: "Download sums.txt" }).waitFor();
  await desk.goto(`${desk.url()}/edit`);
  await desk.getByRole("button", { name: "Remove sums.txt" }).click();
  await desk.getByRole("button", { name: "Save" }).click();
  await shown(desk, "Worksheets");
  await desk.locator(".reading").getByText("Do all of them.").waitFor();
  assert.equal(await desk.getByRole("button", { name: "Download sums.txt" }).count(), 0);
});
