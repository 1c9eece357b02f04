// Looks at the tutor's wall with sixty sessions that each change four times a second: pictures of it, wide and
// on a phone, light and dark, frames one after the other, and how long the page was busy. The numbers are
// printed; a task that needed 50 ms or more of the processor fails it, and one that only had to wait for the
// processor does not. The first argument says where the pictures go.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Classroom } from "../tests/browser/classroom.mjs";
import { RosterStage, signedIn } from "../tests/browser/roster-stage.mjs";
import { openBrowser, root } from "../tests/browser/stage.mjs";

const out = process.argv[2] ?? join(root, "docs", "images");
const seconds = Number(process.env.WALL_SECONDS ?? 30);
const perSecond = 4;
const longest = 50;

await mkdir(out, { recursive: true });
const stage = await RosterStage.start();
const room = new Classroom();
for (const session of room.sessions) stage.sessions.set(session.session_id, session);
stage.classes = room.classes;
const said = (id, role, kind, name, content) => ({ id, role, status: "complete", author: { kind, name }, content, created_at: new Date().toISOString() });
stage.lesson = [
  said("m1", "user", "student", "Lena", "Why do I need the same denominator to add 1/3 and 1/4?"),
  said("m2", "assistant", "assistant", null, "Good question! Think of a pizza cut into **3** parts and one cut into **4** parts. Are the slices the same size?"),
  said("m3", "user", "student", "Lena", "no. I will never get this"),
  said("m4", "assistant", "assistant", null, "You are closer than you think. Which number can you divide by both 3 and 4?"),
];

let turn = 0;
let sent = 0;
/** One student after the other, so that the changes come spread over each quarter of a second. */
function play(until) {
  const started = Date.now();
  const before = sent;
  return new Promise((resolve) => {
    const clock = setInterval(() => {
      const due = before + Math.floor(((Date.now() - started) / 1000) * perSecond * room.sessions.length);
      for (; sent < due; sent += 1) stage.show(room.step((turn += 1) % room.sessions.length));
      if (Date.now() - started >= until) resolve(clearInterval(clock));
    }, 4);
  });
}

const browser = await openBrowser();

async function openWall(options) {
  const context = await browser.newContext(options);
  await signedIn(context);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`${stage.url}/#observe`);
  await page.locator(".tile").nth(59).waitFor({ state: "attached" });
  return { page, context, complaints };
}

/** Counts, in the page, tasks that were too long and the time between two pictures. */
function watch() {
  const seen = { long: [], gaps: [], from: performance.now(), last: 0, on: true };
  globalThis.seen = seen;
  new PerformanceObserver((list) => seen.long.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "longtask" });
  const frame = (at) => {
    if (seen.last) seen.gaps.push(at - seen.last);
    seen.last = at;
    if (seen.on) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

const share = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;

async function measure(name, options) {
  const { page, context, complaints } = await openWall(options);
  await play(2000);
  const devtools = await context.newCDPSession(page);
  await devtools.send("Performance.enable");
  await devtools.send("HeapProfiler.collectGarbage");
  const metrics = async () => Object.fromEntries((await devtools.send("Performance.getMetrics")).metrics.map(({ name: key, value }) => [key, value]));
  const before = await metrics();
  await page.evaluate(watch);
  const told = sent;
  await play(seconds * 1000);
  const { long, gaps } = await page.evaluate(() => ((globalThis.seen.on = false), globalThis.seen));
  const after = await metrics();
  await devtools.send("HeapProfiler.collectGarbage");
  const heap = (await metrics()).JSHeapUsedSize;
  gaps.sort((a, b) => a - b);
  const busy = (key) => (((after[key] - before[key]) / seconds) * 1000).toFixed(1);
  console.log(`${name}: ${sent - told} updates in ${seconds} s; ${long.length} tasks of ${longest} ms or more${long.length ? ` (longest ${Math.max(...long).toFixed(0)} ms)` : ""}`);
  console.log(`  between pictures: median ${share(gaps, 0.5).toFixed(1)} ms, p95 ${share(gaps, 0.95).toFixed(1)} ms, p99 ${share(gaps, 0.99).toFixed(1)} ms, most ${share(gaps, 1).toFixed(1)} ms; ${(gaps.length / seconds).toFixed(0)} a second`);
  console.log(`  of each second: all tasks ${busy("TaskDuration")} ms, script ${busy("ScriptDuration")} ms, style ${busy("RecalcStyleDuration")} ms, layout ${busy("LayoutDuration")} ms`);
  console.log(`  heap ${(before.JSHeapUsedSize / 1e6).toFixed(1)} MB before, ${(heap / 1e6).toFixed(1)} MB after; nodes ${after.Nodes}; complaints: ${complaints.join("; ") || "none"}`);
  await browser.startTracing(page, { categories: ["disabled-by-default-devtools.timeline"] });
  await play(Math.min(seconds, 10) * 1000);
  const used = mainThread(JSON.parse((await browser.stopTracing()).toString()).traceEvents);
  console.log(`  processor of the main thread: ${used.length} tasks, p99 ${share(used, 0.99).toFixed(1)} ms, longest ${share(used, 1).toFixed(1)} ms`);
  await context.close();
  return share(used, 1) < longest;
}

/** What each task of the page's own thread used of the processor, in milliseconds, the shortest first. */
function mainThread(events) {
  const { pid, tid } = events.find(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const tasks = events.filter((event) => event.name === "RunTask" && event.pid === pid && event.tid === tid);
  return tasks.map(({ tdur = 0 }) => tdur / 1000).sort((a, b) => a - b);
}

const wide = { viewport: { width: 1440, height: 900 } };
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true };
let smooth = true;
if (seconds > 0) {
  smooth = await measure("wide", wide);
  smooth = (await measure("phone", phone)) && smooth;
}

for (const [name, options] of Object.entries({ "wall-wide-light": wide, "wall-wide-dark": { ...wide, colorScheme: "dark" }, "wall-phone-light": phone, "wall-phone-dark": { ...phone, colorScheme: "dark" } })) {
  const { page, context } = await openWall({ reducedMotion: "reduce", ...options });
  await play(1500);
  await page.screenshot({ path: join(out, `${name}.png`) });
  if (name === "wall-wide-light") {
    for (let frame = 0; frame < 6; frame += 1) {
      await play(250);
      await page.screenshot({ path: join(out, `wall-frame-${frame}.png`) });
    }
    await page.getByRole("button", { name: "Wall" }).click();
    await page.getByRole("menuitemradio", { name: "Tiles: small" }).click();
    await play(250);
    await page.screenshot({ path: join(out, "wall-wide-small.png") });
  }
  await page.locator(".tile").first().click();
  await page.locator(".pane").getByText("never get this").waitFor();
  await play(500);
  await page.screenshot({ path: join(out, name.replace("wall", "wall-open") + ".png") });
  await context.close();
}
await browser.close();
await stage.end();
process.exit(smooth ? 0 : 1);
