// What everybody must be able to use: axe finds nothing, and nothing scrolls sideways.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** @param {import("playwright-core").Page} page @param {string} screen */
export async function check(page, screen) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
  );
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`);
  assert.deepEqual(told, [], screen);
  const sideways = await page.evaluate(() =>
    Math.max(...[document.documentElement, ...document.querySelectorAll("#page, dialog[open]")].map((each) => each.scrollWidth - each.clientWidth)),
  );
  assert.ok(sideways <= 0, `${screen} scrolls sideways by ${sideways}px`);
}
