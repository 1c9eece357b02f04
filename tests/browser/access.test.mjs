// Everyone can use the page: axe on every screen, at two widths, light and dark; the keyboard alone; 320 px.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { check } from "./eye.mjs";
import { answers, ask, Cable, emu, finished, numbered, openBrowser, openPage, Server, signUp } from "./stage.mjs";

let server, browser;
before(async () => {
  server = await Server.start();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await server?.end();
});

const lesson = "# Title\n\nSome $x^2$ and **bold** `code`.\n\n$$\\frac{a}{b}$$\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nprint(1)  # one\n```\n\n> quote\n\n- [link](https://example.org)";

for (const colorScheme of ["light", "dark"]) {
  for (const width of [360, 1280]) {
    test(`axe finds nothing: ${colorScheme}, ${width} px`, async () => {
      const cable = await Cable.to(server);
      const { page, context } = await openPage(browser, cable.url, { colorScheme, viewport: { width, height: 740 } });
      const narrow = width < 800;
      await check(page, "sign in");
      await page.getByRole("button", { name: "Sign in", exact: true }).click();
      await check(page, "sign in, with mistakes");
      await page.getByRole("button", { name: "Create an account" }).click();
      await check(page, "sign up");
      await page.goto(cable.url);
      await signUp(page);
      await check(page, "empty");
      await ask(page, `A lesson ${emu({ say: lesson })}`);
      await finished(page, 1);
      await answers(page).locator(".katex-display").waitFor();
      await answers(page).locator(".hl-comment").waitFor();
      await check(page, "an answer");
      if (narrow) {
        await page.getByRole("button", { name: "Conversations", exact: true }).click();
        await check(page, "the drawer");
      }
      await page.getByRole("button", { name: /your account/ }).click();
      await check(page, "the menu");
      await page.getByRole("menuitem", { name: "Keyboard" }).click();
      await check(page, "a dialog");
      await page.keyboard.press("Escape");
      if (narrow) await page.getByRole("button", { name: "Close conversations" }).click();
      await ask(page, `Long ${emu({ say: numbered(400), chunks: 400, delay_us: 20000 })}`);
      await answers(page).getByText("word3").waitFor();
      await check(page, "while it streams");
      await page.keyboard.press("Escape");
      await page.getByText("You stopped this answer.").waitFor();
      await page.getByRole("button", { name: "Ask a human" }).click();
      await page.getByRole("button", { name: "Hand is up" }).waitFor();
      await check(page, "stopped, hand up");
      cable.sever();
      await page.getByRole("button", { name: "Try now" }).waitFor();
      await ask(page, "While away");
      await page.getByText("Waiting for the connection").waitFor();
      await check(page, "away");
      await context.close();
      cable.end();
    });
  }
}

test("nothing scrolls sideways at 320 px", async () => {
  const { page, context } = await openPage(browser, server.url, { viewport: { width: 320, height: 568 } });
  await check(page, "sign in");
  await signUp(page);
  await ask(page, `Wide ${"w".repeat(120)} ${emu({ say: `${lesson}\n\n${"long".repeat(60)}\n\n$$${"x + ".repeat(40)}x$$\n\n| ${"c | ".repeat(9)}\n|${"-|".repeat(9)}\n| ${"cell | ".repeat(9)}` })}`);
  await finished(page, 1);
  await answers(page).locator(".katex-display").first().waitFor();
  await check(page, "a wide answer");
  await context.close();
});

test("the keyboard alone signs up, asks, stops, edits, searches and signs out", async () => {
  const { page, context } = await openPage(browser, server.url);
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const tabTo = async (name) => {
    for (let count = 0; count < 60; count += 1) {
      const focused = await page.evaluate(() => document.activeElement?.getAttribute("aria-label") || document.activeElement?.innerText || document.activeElement?.id);
      if (focused?.trim().startsWith(name)) return;
      await press("Tab");
    }
    assert.fail(`Tab never comes to ${name}`);
  };
  await tabTo("Create an account");
  await press("Enter");
  await page.keyboard.type("Kim");
  await press("Tab");
  await page.keyboard.type(`kim-${Date.now()}@example.org`);
  await press("Tab");
  await page.keyboard.type("a long enough sentence");
  await press("Enter");
  await page.locator("#empty h2").waitFor();
  await page.keyboard.type(`Count ${emu({ say: numbered(60), chunks: 60, delay_us: 100000 })}`);
  await press("Enter");
  await answers(page).getByText("word3").waitFor();
  await press("Escape");
  await page.getByText("You stopped this answer.").waitFor();
  await press("ArrowUp");
  assert.match(await page.getByLabel("Your message").inputValue(), /^Count/);
  await press("Control+a");
  await page.keyboard.type(`Better ${emu({ say: "Done." })}`);
  await press("Enter");
  await answers(page).getByText("Done.").waitFor();
  await finished(page, 1);
  await press("Control+k");
  await page.keyboard.type("count");
  await press("ArrowDown", "Enter");
  await tabTo("Kim");
  await press("Enter", "End", "Enter");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await context.close();
});
