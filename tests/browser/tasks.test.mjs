// What fynq does in the background, as the school's admin sees it: how far, why not, and what can be done.
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
  for (const { context, strangers } of open) {
    await context.close();
    assert.deepEqual(strangers, [], "nobody else was asked for anything");
  }
});

async function visitor(options = {}) {
  const stage = await openPage(browser, server.url, options);
  open.push(stage);
  return stage.page;
}

const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();
const made = (number, kind, status, more = {}) => ({
  id: `01900000-0000-7000-8000-0000000000${String(number).padStart(2, "0")}`, kind, status, progress: 0, attempts: 1, run_at: ago(60), created_at: ago(60), ...more,
});
const rows = (page) => page.getByRole("list", { name: "Tasks" }).getByRole("listitem");
const rowOf = (page, task) => page.locator(`[data-task="${task.id}"]`);

/** A worker that the test plays: what the page asks of tasks is answered from this list, the newest first. */
async function play(page, tasks) {
  const asked = [];
  await page.route(/\/api\/v1\/tasks/, (route) => {
    const address = new URL(route.request().url());
    const [, id, act] = /tasks(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(address.pathname);
    const json = (value) => route.fulfill({ status: 200, contentType: "application/json", body: JSON.stringify(value) });
    const task = tasks.find((each) => each.id === id);
    if (act === "cancel") Object.assign(task, { status: "failed", error: { code: "cancelled", message: "It was called off." }, ended_at: ago(0) });
    if (act === "requeue") Object.assign(task, { status: "queued", attempts: 0, error: undefined, ended_at: undefined });
    if (task) return json(task);
    asked.push(address.search);
    const { status, kind, cursor, limit } = Object.fromEntries(address.searchParams);
    const found = tasks.filter((each) => (!status || each.status === status) && (!kind || each.kind === kind));
    const from = cursor ? Number(cursor) : 0;
    const to = from + Number(limit);
    return json({ items: found.slice(from, to), next_cursor: to < found.length ? String(to) : null });
  });
  return asked;
}

test("an admin watches tasks go on, calls one off, and puts it back", async () => {
  const page = await visitor();
  await page.clock.install();
  await signIn(page, tutor);
  const running = made(90, "document_pages", "running", { progress: 0.37, started_at: ago(20) });
  const waiting = made(89, "session_summary", "queued", { attempts: 0 });
  const failed = made(88, "document_parse", "failed", { attempts: 3, started_at: ago(50), ended_at: ago(48), error: { code: "unreadable", message: "The file cannot be read." } });
  const old = Array.from({ length: 40 }, (_, at) => made(60 - at, "quiet_sessions", "succeeded", { progress: 1, started_at: ago(60), ended_at: ago(59) }));
  const tasks = [running, waiting, failed, ...old];
  const asked = await play(page, tasks);
  await page.goto(`${server.url}/#admin/tasks`);
  await page.getByRole("link", { name: "Work", exact: true }).waitFor();
  await rowOf(page, running).getByText("37 %").waitFor();
  assert.equal(await rowOf(page, running).getByRole("progressbar").getAttribute("aria-label"), "Reading a document's pages: how far");
  await rowOf(page, failed).getByText("The file can't be read.").waitFor();
  assert.equal(await rows(page).count(), 30);
  await check(page, "the list of tasks");
  await pictures(page, "tasks");
  await page.setViewportSize({ width: 320, height: 640 });
  await check(page, "the list of tasks, narrow");
  await page.setViewportSize({ width: 1000, height: 700 });

  // It goes on by itself, and nothing jumps in.
  running.progress = 0.62;
  tasks.unshift(made(95, "document_parse", "queued"));
  await rowOf(page, running).getByText("62 %").waitFor();
  await page.getByRole("button", { name: "Show 1 new one" }).waitFor();
  assert.equal(await rows(page).first().getAttribute("data-task"), running.id);
  await page.getByRole("button", { name: "Show 1 new one" }).click();
  await until(async () => (await rows(page).first().getAttribute("data-task")) === tasks[0].id, "the new one");
  await page.getByRole("button", { name: "Show more" }).click();
  await until(async () => (await rows(page).count()) === tasks.length, "all of them");
  assert.equal(await page.getByRole("button", { name: "Show more" }).isVisible(), false);

  // By keyboard; whoever pressed stays at the same task.
  await rowOf(page, running).getByRole("button", { name: "Call off: Reading a document's pages" }).focus();
  await page.keyboard.press("Enter");
  await rowOf(page, running).getByText("Called off").waitFor();
  await until(() => page.evaluate((id) => document.activeElement?.closest("[data-task]")?.getAttribute("data-task") === id, running.id), "the focus stays there");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await rowOf(page, running).getByText("Waiting", { exact: true }).waitFor();

  // What is chosen is in the address.
  await page.getByLabel("Status").selectOption("failed");
  await until(async () => (await rows(page).count()) === 1, "what failed");
  await page.getByLabel("Kind").selectOption("quiet_sessions");
  await page.getByText("There is nothing here.").waitFor();
  assert.equal(new URL(page.url()).hash, "#admin/tasks?status=failed&kind=quiet_sessions");
  await page.reload();
  await page.getByText("There is nothing here.").waitFor();
  assert.equal(await page.getByLabel("Kind").inputValue(), "quiet_sessions");
  // Whoever has gone elsewhere asks for nothing any more.
  await page.goto(`${server.url}/#settings`);
  await page.getByRole("heading", { level: 1, name: "Settings" }).waitFor();
  const before = asked.length;
  await page.clock.fastForward(60_000);
  assert.equal(asked.length, before);
});

test("a student's document is a task that the admin finds, and the student does not get the page", async () => {
  const page = await visitor();
  await signUp(page);
  await page.locator("#attach-file").setInputFiles({ name: "notes.pdf", mimeType: "application/pdf", buffer: book(2, 1, "abacus") });
  await page.locator("#attached > li[data-stage='ready']").waitFor();
  await page.goto(`${server.url}/#admin/tasks`);
  await page.getByText("This page is for the admins of your school.").waitFor();
  const desk = await visitor();
  await signIn(desk, tutor);
  await desk.goto(`${server.url}/#admin/tasks?kind=document_parse`);
  await rows(desk).getByText("Reading a document", { exact: true }).waitFor();
  await rows(desk).getByText("Done", { exact: true }).waitFor();
  await check(desk, "the list of tasks");
});
