// What the browser tests stand on: the real server on a port of its own, a browser, a line that can be cut,
// and a student who knows how to use the page.
import { chromium } from "playwright-core";
import { spawn } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Someone who may read along and step in. */
export const tutor = { email: "tutor@school.example", password: "a tutor's long sentence" };

/** Until `check` gives something true; its last word if it never does. */
export async function until(check, what, timeout = 20_000) {
  const end = Date.now() + timeout;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${timeout} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** A port that was free a moment ago. */
export function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** The server of FYNQ_BIN with a data directory of its own; FYNQ_URL names one that runs already. */
export class Server {
  /** @param {{staticDir?: string}} [options] */
  static async start({ staticDir = join(root, "static") } = {}) {
    const server = new Server();
    server.staticDir = staticDir;
    if (process.env.FYNQ_URL) {
      server.url = process.env.FYNQ_URL;
      return server;
    }
    server.port = await freePort();
    server.url = `http://127.0.0.1:${server.port}`;
    server.data = await mkdtemp(join(tmpdir(), "fynq-web-"));
    await chmod(server.data, 0o755); // PostgreSQL may run as another user
    await server.wake();
    return server;
  }

  /** Starts the process, on the same port and data as before. */
  async wake() {
    const { FYNQ_BIN = join(root, "target/debug/fynq"), DATABASE_URL, ...others } = process.env;
    const own = { FYNQ_LISTEN: `127.0.0.1:${this.port}`, FYNQ_DATA_DIR: this.data, FYNQ_STATIC_DIR: this.staticDir };
    const admin = { FYNQ_ADMIN_EMAIL: tutor.email, FYNQ_ADMIN_PASSWORD: tutor.password };
    const env = { ...others, ...own, ...admin, RUST_LOG: "error" };
    this.process = spawn(FYNQ_BIN, ["serve"], { env, cwd: this.data, stdio: ["ignore", "ignore", "inherit"] });
    this.gone = new Promise((resolve) => this.process.once("exit", resolve));
    await until(() => fetch(`${this.url}/health/ready`).then((reply) => reply.ok, () => false), "the server is ready", 60_000);
  }

  /** @param {NodeJS.Signals} [signal] */
  async stop(signal = "SIGTERM") {
    this.process?.kill(signal);
    await this.gone;
  }

  async end() {
    await this.stop();
    if (this.data) await rm(this.data, { recursive: true, force: true });
  }
}

/** A line to the server that can be cut and healed: new connections are refused while it is cut. */
export class Cable {
  /** @param {Server} server */
  static async to(server) {
    const cable = new Cable();
    const { hostname, port } = new URL(server.url);
    cable.ends = new Set();
    cable.cut = false;
    cable.listener = createServer((near) => {
      if (cable.cut) return near.destroy();
      const far = connect(Number(port), hostname);
      for (const end of [near, far]) {
        cable.ends.add(end);
        end.on("error", () => {}).on("close", () => cable.ends.delete(end) && (near.destroy(), far.destroy()));
      }
      near.pipe(far).pipe(near);
    });
    await new Promise((resolve) => cable.listener.listen(0, "127.0.0.1", resolve));
    cable.url = `http://127.0.0.1:${cable.listener.address().port}`;
    return cable;
  }

  sever() {
    this.cut = true;
    for (const end of this.ends) end.destroy();
  }

  heal() {
    this.cut = false;
  }

  end() {
    this.sever();
    this.listener.close();
  }
}

export function openBrowser() {
  const quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", ...quiet] });
}

/**
 * A page in a browser profile of its own. What it complains of, and whatever it asks of anyone but its own
 * server, is collected; the latter never leaves the machine.
 */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 700 }, reducedMotion: "reduce", ...options });
  return { context, ...(await anotherPage(context, url)) };
}

/** Another tab of the same browser profile. */
export async function anotherPage(context, url) {
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints = [];
  const strangers = [];
  await page.route((address) => address.origin !== new URL(url).origin, (route) => {
    strangers.push(route.request().url());
    return route.abort();
  });
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url);
  return { page, complaints, strangers };
}

let count = 0;

/** Signs a new student up through the form. @param {string} [code] of a class */
export async function signUp(page, name = "Mia Berg", code = "") {
  const email = `student-${process.pid}-${Date.now()}-${(count += 1)}@example.org`;
  await page.getByRole("button", { name: "Create an account" }).click();
  await page.getByLabel("What should we call you?").fill(name);
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password", { exact: true }).fill("a long enough sentence");
  if (code) await page.getByLabel("Class code").fill(code);
  await page.getByRole("button", { name: "Create account", exact: true }).click();
  await page.locator("#empty h2").waitFor();
  return { email, password: "a long enough sentence" };
}

/** Signs in through the form. */
export async function signIn(page, { email, password }) {
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.locator("#chat").waitFor();
}

/** Types a message and sends it with Enter. */
export async function ask(page, text) {
  await page.getByLabel("Your message").fill(text);
  await page.getByLabel("Your message").press("Enter");
}

/** Tells the practice model what to play. */
export function emu(options) {
  const { say, ...rest } = options;
  const words = Object.entries(rest).map(([key, value]) => `${key}=${value}`);
  if (say !== undefined) words.push(`say=${Buffer.from(say).toString("base64url")}`);
  return `[[emu ${words.join(" ")}]]`;
}

/** word0 word1 word2 …: a text in which a gap or a repeat cannot hide. */
export const numbered = (many) => Array.from({ length: many }, (_, index) => `word${index}`).join(" ");

export const answers = (page) => page.locator(".message.from-assistant");
export const questions = (page) => page.locator(".message.from-student");

/** The last answer is there, and it is over. */
export async function finished(page, many) {
  if (many) await until(async () => (await answers(page).count()) === many, `${many} answers`);
  await answers(page).last().locator("[data-act='Try again']").waitFor({ timeout: 30_000 });
  return answers(page).last().locator(".answer").innerText();
}
