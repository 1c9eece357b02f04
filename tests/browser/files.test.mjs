// A student shows what they cannot read aloud: a worksheet, photographed, pasted, dropped or chosen.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { check } from "./eye.mjs";
import { answers, ask, emu, finished, openBrowser, openPage, questions, Server, signIn, signUp, tutor, until } from "./stage.mjs";

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

/** A worksheet as a camera gives it. */
async function worksheet(page, type = "image/jpeg") {
  const url = await page.evaluate((kind) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 900, height: 1200 });
    const paper = canvas.getContext("2d");
    paper.fillStyle = "#fff";
    paper.fillRect(0, 0, 900, 1200);
    paper.fillStyle = "#123";
    paper.font = "64px serif";
    ["1)  3x + 5 = 20", "2)  7 · 8 =", "3)  1/2 + 1/3 ="].forEach((line, at) => paper.fillText(line, 80, 200 + at * 220));
    return canvas.toDataURL(kind);
  }, type);
  return Buffer.from(url.split(",")[1], "base64");
}

const chips = (page) => page.locator("#attached > li");
const ready = (page, many) => until(async () => (await page.locator("#attached > li[data-stage='ready']").count()) === many, `${many} files are there`);
const shown = (image) => image.evaluate((node) => node.complete && node.naturalWidth > 0);

test("a photographed worksheet goes from the camera button to a streamed answer", async () => {
  await stage.context.close();
  stage = await openPage(browser, server.url, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  const { page, complaints } = stage;
  await signUp(page);
  const photo = { name: "IMG_0815.jpg", mimeType: "image/jpeg", buffer: await worksheet(page) };
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: "Take a photo" }).tap()]);
  assert.equal(await chooser.element().getAttribute("capture"), "environment");
  await chooser.setFiles(photo);
  await ready(page, 1);
  assert.ok(await shown(chips(page).locator("img")), "a small picture of it in the composer");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, "nothing sticks out");
  await page.evaluate(() => {
    window.lengths = new Set();
    new MutationObserver(() => window.lengths.add(document.querySelector(".from-assistant .answer")?.textContent.length ?? 0)).observe(document.querySelector("#transcript"), { subtree: true, childList: true, characterData: true });
  });
  await page.getByRole("button", { name: "Send" }).tap();
  assert.match(await finished(page), /^I got a picture of 900 × 1200 pixels\./);
  assert.ok((await page.evaluate(() => window.lengths.size)) > 5, "word by word");
  assert.equal(await chips(page).count(), 0);
  const thumb = questions(page).locator(".thumb img");
  await until(() => shown(thumb), "the picture in the conversation");
  await page.getByRole("button", { name: "Look at IMG_0815.jpg" }).tap();
  const large = page.locator("dialog.viewer img");
  await until(() => shown(large), "the picture large");
  assert.equal(await large.evaluate((node) => node.naturalWidth), 900);
  assert.equal(await large.getAttribute("alt"), "IMG_0815.jpg");
  await check(page, "the viewer");
  // Larger by key, and back to the whole by a tap on it; what does not fit is scrolled to.
  const width = () => large.evaluate((node) => node.clientWidth);
  const fits = await width();
  await page.keyboard.press("+");
  assert.ok(Math.abs((await width()) - fits * 1.5) <= 1, "half as large again");
  await page.getByRole("button", { name: "Larger" }).tap();
  await page.getByText("200 %").waitFor();
  const around = page.locator(".viewer-stage");
  assert.ok(await around.evaluate((node) => node.scrollWidth > node.clientWidth && node.scrollLeft > 0), "the middle is seen");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, "nothing sticks out");
  await large.tap();
  await page.getByText("100 %").waitFor();
  assert.equal(await width(), fits);
  await page.keyboard.press("Escape");
  await page.locator("dialog.viewer").waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Look at IMG_0815.jpg", "the focus is back");
  await page.reload();
  await until(() => shown(questions(page).locator(".thumb img")), "the picture after a reload");
  assert.deepEqual(complaints, []);
});

test("what is pasted and dropped goes along; a document is there to be taken home", async () => {
  const { page, complaints } = stage;
  await signUp(page);
  const png = (await worksheet(page, "image/png")).toString("base64");
  const bring = (kind, files) => page.evaluate(([event, all]) => {
    const data = new DataTransfer();
    for (const { name, type, base64 } of all) data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, { type }));
    const [place, made] = event === "paste"
      ? [document.querySelector("#write"), new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })]
      : [document.querySelector("#talk"), new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })];
    place.dispatchEvent(made);
  }, [kind, files]);
  await bring("paste", [{ name: "image.png", type: "image/png", base64: png }]);
  await bring("drop", [{ name: "notes.txt", type: "text/plain", base64: Buffer.from("Chapter 1: seven times eight").toString("base64") }]);
  await ready(page, 2);
  await ask(page, "Help me with these.");
  assert.match(await finished(page), /^I got a picture of 900 × 1200 pixels and the text of 1 document\./);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download notes.txt" }).click()]);
  assert.equal(download.suggestedFilename(), "notes.txt");
  const stream = await download.createReadStream();
  assert.equal(Buffer.concat(await stream.toArray()).toString(), "Chapter 1: seven times eight");
  // An edit changes the words and keeps the files.
  await questions(page).last().hover();
  await questions(page).getByRole("button", { name: "Edit" }).click();
  await ask(page, "Help me with number 2.");
  await until(async () => (await questions(page).last().innerText()).includes("number 2"), "the edit");
  await finished(page);
  assert.equal(await questions(page).locator(".thumb").count(), 1);
  assert.deepEqual(complaints, []);
});

test("an upload is called off, tried again, or refused in words", async () => {
  const { page } = stage;
  await signUp(page);
  const buffer = await worksheet(page);
  const add = (name, bytes = buffer, mimeType = "image/jpeg") => page.locator("#attach-file").setInputFiles({ name, mimeType, buffer: bytes });
  const send = page.getByRole("button", { name: "Send" });
  // The line breaks in the middle.
  await page.route("**/api/v1/files/upload", (route) => route.abort("connectionreset"));
  await add("sheet.jpg");
  await chips(page).getByText("There is no connection right now.").waitFor();
  await page.getByLabel("Your message").fill("Look.");
  assert.ok(await send.isDisabled(), "not without it");
  await page.unroute("**/api/v1/files/upload");
  await chips(page).getByRole("button", { name: "Try again" }).click();
  await ready(page, 1);
  assert.ok(await send.isEnabled());
  // One that takes its time is called off.
  let held;
  await page.route("**/api/v1/files/upload", (route) => (held = route));
  await add("slow.jpg");
  await until(() => held, "the upload has begun");
  await chips(page).getByRole("progressbar").first().waitFor();
  assert.ok(await send.isDisabled(), "not before it is there");
  await page.getByRole("button", { name: "Remove slow.jpg" }).click();
  await page.unroute("**/api/v1/files/upload");
  assert.ok(await send.isEnabled());
  // What was taken away is gone from the server, too.
  const deleted = page.waitForResponse((reply) => reply.request().method() === "DELETE" && reply.url().includes("/files/"));
  await add("second.jpg");
  await ready(page, 2);
  await page.getByRole("button", { name: "Remove second.jpg" }).click();
  assert.equal((await deleted).status(), 204);
  await add("virus.exe", Buffer.from("MZ\u0000\u0001"), "application/octet-stream");
  await chips(page).getByText("That kind of file can't be read here.").waitFor();
  await page.getByRole("button", { name: "Remove virus.exe" }).click();
  // Another conversation has none of it; this one keeps it.
  await ask(page, `Look. ${emu({ chunks: 2, delay_us: 0 })}`);
  await finished(page);
  assert.equal(await questions(page).locator(".thumb").count(), 1);
  assert.equal(await answers(page).count(), 1);
});

test("a tutor looks at a student's picture as they watch and in the replay; what is deleted is told to both", async () => {
  const { page } = stage;
  await signUp(page, "Ada Berg");
  await page.locator("#attach-file").setInputFiles([
    { name: "sheet.jpg", mimeType: "image/jpeg", buffer: await worksheet(page) }, { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("Seven") },
  ]);
  await ready(page, 2);
  await ask(page, `Number 2? ${emu({ say: "Let us look." })}`);
  await finished(page, 1);
  const session = new URL(page.url()).hash.slice(1);
  const { page: desk, context } = await openPage(browser, server.url);
  try {
    await signIn(desk, tutor);
    for (const place of ["observe", "replay"]) {
      await desk.goto(`${server.url}/#${place}/${session}`);
      const thumb = desk.getByRole("button", { name: "Look at sheet.jpg" });
      await until(() => shown(thumb.locator("img")), `the picture, ${place}`);
      await check(desk, `files, ${place}`);
      await thumb.click();
      await until(() => shown(desk.locator("dialog.viewer img")), "large");
      await desk.keyboard.press("Escape");
      await desk.locator("dialog.viewer").waitFor({ state: "detached" });
      assert.equal(new URL(desk.url()).hash, `#${place}/${session}`, "the conversation stays open");
      assert.ok(await thumb.evaluate((node) => node === document.activeElement), "the focus is back");
    }
    await page.evaluate(async () => {
      const { deleteFile } = await import("/js/net/files.js");
      for (const each of document.querySelectorAll("[data-file]")) await deleteFile(each.dataset.file);
    });
    for (const reader of [page, desk]) {
      await reader.reload();
      await until(async () => (await reader.getByText("This file is no longer here.").count()) === 2, "what is gone");
      await check(reader, "files that are gone");
    }
  } finally {
    await context.close();
  }
});
