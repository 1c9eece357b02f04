// The page names every module it will need, so that they come at once and not one behind the other.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import { test } from "node:test";

const file = (path) => readFile(new URL(`../../static${path}`, import.meta.url), "utf8");

async function reach(path, seen = new Set()) {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const [, other] of (await file(path)).matchAll(/^(?:import|}).*?from "(\.[^"]+)";$/gm)) await reach(posix.join(posix.dirname(path), other), seen);
  return seen;
}

test("index.html preloads exactly the modules that main.js imports", async () => {
  const named = [...(await file("/index.html")).matchAll(/rel="modulepreload" href="([^"]+)"/g)].map(([, path]) => path);
  assert.deepEqual(named, [...(await reach("/js/main.js"))].sort());
});

test("the pages beside the conversation are fetched when one is opened, and all are there", async () => {
  const early = await reach("/js/main.js");
  const late = [...(await reach("/js/ui/pages/pages.js"))].filter((path) => !early.has(path));
  assert.ok(late.length > 5, `${late.length} modules`);
  assert.match(await file("/js/ui/page-screen.js"), /import\("\.\/pages\/pages\.js"\)/);
});

test("what only tutors need is fetched when a tutor opens it, module and style", async () => {
  const early = await reach("/js/main.js");
  assert.deepEqual([...early].filter((path) => /\/observe\/|\/net\/(tutoring|observe|roster)\.js/.test(path)), []);
  const late = [...(await reach("/js/ui/observe/console.js"))].filter((path) => !early.has(path));
  assert.ok(late.length > 10, `${late.length} modules`);
  assert.match(await file("/js/ui/console-screen.js"), /import\("\.\/observe\/console\.js"\)/);
  assert.doesNotMatch(await file("/index.html"), /css\/observe/);
  for (const [, style] of (await file("/js/ui/observe/console.js")).matchAll(/"(\/css\/[^"]+)"/g)) await file(style);
});
