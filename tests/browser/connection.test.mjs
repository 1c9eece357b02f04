// The line is cut, the server goes away, the page is reloaded: nothing is lost and nothing comes twice.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { answers, ask, Cable, emu, finished, numbered, openBrowser, openPage, questions, Server, signUp, until } from "./stage.mjs";

let server, browser, cable, context;
before(async () => {
  server = await Server.start();
  browser = await openBrowser();
  cable = await Cable.to(server);
});
after(async () => {
  await browser?.close();
  cable?.end();
  await server?.end();
});
afterEach(() => context?.close());

async function student() {
  const stage = await openPage(browser, cable.url);
  context = stage.context;
  await signUp(stage.page);
  return stage.page;
}

test("a cut in mid-answer leaves no gap and no repeat", async () => {
  const page = await student();
  await ask(page, `Count ${emu({ say: numbered(300), chunks: 300, delay_us: 15000 })}`);
  for (const word of ["word20", "word60", "word120"]) {
    await answers(page).getByText(word).waitFor();
    cable.sever();
    await until(() => cable.ends.size === 0, "the line is cut");
    cable.heal();
  }
  assert.equal(await finished(page, 1), numbered(300));
  assert.equal(await questions(page).count(), 1);
});

test("a short cut says nothing; a longer one says so calmly, and Try now comes back", async () => {
  const page = await student();
  await ask(page, `Hello ${emu({ say: "Hi." })}`);
  await finished(page, 1);
  await page.evaluate(() => {
    window.shownAt = 0;
    new MutationObserver(() => (window.shownAt ||= document.querySelector("#banner").hidden ? 0 : performance.now())).observe(document.querySelector("#banner"), { attributes: true });
  });
  const cutAt = await page.evaluate(() => performance.now());
  cable.sever();
  await page.getByRole("button", { name: "Try now" }).waitFor();
  assert.ok((await page.evaluate(() => window.shownAt)) - cutAt >= 1900, "nothing for the first two seconds");
  assert.ok(await page.getByLabel("Your message").isEnabled(), "one may keep writing");
  await ask(page, `While away ${emu({ say: "I heard you." })}`);
  await page.getByText("Waiting for the connection").waitFor();
  cable.heal();
  await page.getByRole("button", { name: "Try now" }).click();
  await page.locator("#banner").waitFor({ state: "hidden" });
  await answers(page).getByText("I heard you.").waitFor();
  await questions(page).last().getByText("Sent", { exact: true }).waitFor();
});

test("`online` brings the page back at once", async () => {
  const page = await student();
  await ask(page, `Hello ${emu({ say: "Hi." })}`);
  await finished(page, 1);
  cable.sever();
  await page.locator("#banner").waitFor({ timeout: 10_000 });
  cable.heal();
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await page.locator("#banner").waitFor({ state: "hidden", timeout: 3000 });
});

test("what was written while the server was away survives a reload and is sent once", { skip: process.env.FYNQ_URL && "needs a server of its own" }, async () => {
  const stage = await openPage(browser, server.url, { serviceWorkers: "block" });
  context = stage.context;
  const { page } = stage;
  await signUp(page);
  await ask(page, `Hello ${emu({ say: "Hi." })}`);
  await finished(page, 1);
  await server.stop("SIGKILL");
  await ask(page, `Are you there? ${emu({ say: "Here I am." })}`);
  await page.getByText("Waiting for the connection").waitFor();
  await server.wake();
  await page.reload();
  await answers(page).getByText("Here I am.").waitFor({ timeout: 30_000 });
  await finished(page, 2);
  assert.equal(await questions(page).count(), 2);
  await until(async () => (await page.evaluate(stored)) === 0, "the outbox is empty");
});

test("a message whose acknowledgement was lost is not sent twice", async () => {
  const stage = await openPage(browser, server.url);
  context = stage.context;
  const { page } = stage;
  let swallow = false;
  await page.routeWebSocket(/\/socket/, (near) => {
    const far = near.connectToServer();
    far.onMessage((message) => {
      if (!swallow) return near.send(message);
      swallow = false; // the server has taken the message; the page never hears of it
      void near.close({ code: 1011 });
      void far.close();
    });
  });
  await page.reload();
  await signUp(page);
  await ask(page, `Hello ${emu({ say: "Hi." })}`);
  await finished(page, 1);
  swallow = true;
  await ask(page, `Once only ${emu({ say: "Once." })}`);
  await answers(page).getByText("Once.").waitFor();
  await finished(page, 2);
  assert.equal(swallow, false, "an acknowledgement was swallowed");
  assert.equal(await questions(page).count(), 2);
});

function stored() {
  return new Promise((resolve) => {
    const request = indexedDB.open("fynq");
    request.onsuccess = () => {
      const count = request.result.transaction("outbox").objectStore("outbox").count();
      count.onsuccess = () => (request.result.close(), resolve(count.result));
    };
  });
}
