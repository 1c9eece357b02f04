// Prints Lighthouse's scores, on its default of a slow phone, for the first screen and for a conversation.
// Fails if one of them is below the goal. FYNQ_BIN names the server, FYNQ_URL one that runs already.
import { chromium } from "playwright-core";
import lighthouse from "lighthouse";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answers, ask, finished, freePort, Server, signUp } from "../tests/browser/stage.mjs";

const goals = { performance: 0.95, accessibility: 1, "best-practices": 1 };

const server = await Server.start();
const profile = await mkdtemp(join(tmpdir(), "fynq-lighthouse-"));
const port = await freePort();
const args = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", `--remote-debugging-port=${port}`];
const context = await chromium.launchPersistentContext(profile, { executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
const page = context.pages()[0] ?? (await context.newPage());
let missed = false;

async function measure(name, url) {
  const { lhr } = await lighthouse(url, { port, logLevel: "error", onlyCategories: Object.keys(goals), disableStorageReset: true });
  const { audits, categories } = lhr;
  const scores = Object.entries(goals).map(([id, goal]) => {
    missed ||= categories[id].score < goal;
    return `${id} ${Math.round(categories[id].score * 100)}`;
  });
  const times = ["first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift"].map((id) => `${id} ${audits[id].displayValue}`);
  console.log(`${name}: ${scores.join(", ")} (${times.join(", ")})`);
  const weighed = new Set(Object.keys(goals).flatMap((id) => categories[id].auditRefs.filter((ref) => ref.weight > 0).map((ref) => ref.id)));
  for (const [id, audit] of Object.entries(audits)) {
    if (weighed.has(id) && audit.score !== null && audit.score < 0.9) console.log(`  ${id}: ${audit.displayValue ?? audit.title}`);
  }
}

await measure("sign in", `${server.url}/`);
await page.goto(server.url);
await signUp(page);
await ask(page, "Help me solve 3x + 5 = 20, one step at a time.");
await finished(page, 1);
await answers(page).first().waitFor();
const address = page.url();
await page.goto("about:blank");
await measure("a conversation", address);

await context.close();
await rm(profile, { recursive: true, force: true });
await server.end();
process.exit(missed ? 1 : 0);
