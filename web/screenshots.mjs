// Makes the pictures of the README, so that they cannot go stale: docs/images/chat-*.png.
// FYNQ_BIN names the server, FYNQ_URL one that runs already.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { answers, ask, emu, finished, openBrowser, openPage, root, Server, signUp } from "../tests/browser/stage.mjs";

const out = process.argv[2] ?? join(root, "docs", "images");
const lesson = `Good question! Let's keep the scales level, **one step at a time**.

### Step 1: Take 5 away from both sides

$$3x + 5 - 5 = 20 - 5 \\quad\\Rightarrow\\quad 3x = 15$$

### Step 2: Share both sides by 3

$$x = \\frac{15}{3} = 5$$

Always put your answer back into the question:

| Side | With $x = 5$ | Gives |
|:-----|:------------:|------:|
| left | $3 \\cdot 5 + 5$ | 20 |
| right | $20$ | 20 |

And if you like programs, let Python try every number:

\`\`\`python
for x in range(10):
    if 3 * x + 5 == 20:
        print("x is", x)  # x is 5
\`\`\`

**What would change if the question were \`3x + 5 = 23\`?**
`;

const views = [
  { name: "chat-wide-light", colorScheme: "light", viewport: { width: 1280, height: 800 } },
  { name: "chat-wide-dark", colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  { name: "chat-phone-light", colorScheme: "light", viewport: { width: 360, height: 740 } },
  { name: "chat-phone-dark", colorScheme: "dark", viewport: { width: 360, height: 740 } },
];

await mkdir(out, { recursive: true });
const server = await Server.start();
const browser = await openBrowser();
const first = await openPage(browser, server.url, { viewport: { width: 1280, height: 800 } });
await first.page.screenshot({ path: join(out, "chat-welcome.png") });
await signUp(first.page);
for (const topic of ["Why do volcanoes erupt?", "Check my essay about bees", "How do fractions work?"]) {
  await ask(first.page, topic);
  await finished(first.page, 1);
  await first.page.keyboard.press("Alt+n");
  await first.page.locator("#empty h2").waitFor();
}
await first.page.screenshot({ path: join(out, "chat-empty.png") });
// The directive that makes the practice model say this is hidden from the picture.
await ask(first.page, `Help me solve 3x + 5 = 20, one step at a time. ${emu({ say: lesson, chunks: 40, delay_us: 1000 })}`);
await finished(first.page, 1);
const address = first.page.url();
const storageState = await first.context.storageState();

for (const { name, ...options } of views) {
  const { page, context } = await openPage(browser, address, { storageState, ...options });
  await finished(page, 1);
  await answers(page).locator(".hl-keyword").first().waitFor();
  await answers(page).locator(".katex-display").nth(1).waitFor();
  await page.evaluate(() => document.fonts.ready);
  await page.evaluate(() => {
    for (const said of document.querySelectorAll(".said")) said.textContent = said.textContent.replace(/\s*\[\[.*?\]\]/, "");
    document.activeElement?.blur();
    document.querySelector("#scroller").scrollTop = 0;
  });
  await page.screenshot({ path: join(out, `${name}.png`) });
  await context.close();
}
await browser.close();
await server.end();
