// Pictures to be looked at, where somebody wants them: FYNQ_PICTURES names the folder.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

/** @param {import("playwright-core").Page} page @param {string} name */
export async function pictures(page, name) {
  const out = process.env.FYNQ_PICTURES;
  if (!out) return;
  await mkdir(out, { recursive: true });
  const before = page.viewportSize();
  for (const [width, height] of [[1280, 800], [360, 740]]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(out, `${name}-${width}-${colorScheme}.png`) });
    }
  }
  await page.emulateMedia({ colorScheme: null });
  if (before) await page.setViewportSize(before);
}
