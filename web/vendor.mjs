// Builds static/vendor/ from the packages that package-lock.json pins: one ES module for each library
// the page may import, KaTeX's style sheet and fonts, the licences, and a manifest that says which lock
// all of it came from. Nothing in static/vendor/ is committed.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, "static", "vendor");
const modules = join(root, "node_modules");

/** What a student's homework is likely to hold; every language more is weight on a phone. */
const languages = [
  "bash", "c", "cpp", "csharp", "css", "go", "java", "javascript", "json", "python", "rust", "sql", "typescript", "xml",
];

/** Module name -> the source that esbuild bundles into it. */
const entries = {
  markdown: `export { Marked } from "marked"; export { default as remend } from "remend";`,
  katex: `export { render } from "katex";`,
  highlight: [
    `import hljs from "highlight.js/lib/core";`,
    ...languages.map((name) => `import ${name} from "highlight.js/lib/languages/${name}";`),
    ...languages.map((name) => `hljs.registerLanguage("${name}", ${name});`),
    `export default hljs;`,
  ].join("\n"),
};

const licences = { marked: "LICENSE", remend: "LICENSE", katex: "LICENSE", "highlight.js": "LICENSE" };

await rm(out, { recursive: true, force: true });
await mkdir(join(out, "fonts"), { recursive: true });

for (const [name, contents] of Object.entries(entries)) {
  await build({
    stdin: { contents, resolveDir: root, sourcefile: `${name}.js` },
    outfile: join(out, `${name}.js`),
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: true,
    legalComments: "none",
    logLevel: "warning",
  });
}

// The style sheet names each font three times; every browser that runs this page reads woff2.
const css = await readFile(join(modules, "katex/dist/katex.min.css"), "utf8");
await writeFile(join(out, "katex.css"), css.replace(/,url\([^)]*\.(?:woff|ttf)\) format\("[^"]*"\)/g, ""));
for (const font of await readdir(join(modules, "katex/dist/fonts"))) {
  if (font.endsWith(".woff2")) await cp(join(modules, "katex/dist/fonts", font), join(out, "fonts", font));
}

const notices = [];
for (const [name, file] of Object.entries(licences)) {
  const { version, license } = JSON.parse(await readFile(join(modules, name, "package.json"), "utf8"));
  const text = await readFile(join(modules, name, file), "utf8").catch(() => "");
  notices.push(`${name} ${version} (${license})\n\n${text.trim()}\n`);
}
await writeFile(join(out, "licences.txt"), notices.join(`\n${"-".repeat(78)}\n\n`));

const sha256 = async (path) => createHash("sha256").update(await readFile(path)).digest("hex");
const files = {};
for (const entry of (await readdir(out, { recursive: true, withFileTypes: true })).filter((e) => e.isFile())) {
  const path = join(entry.parentPath ?? entry.path, entry.name);
  files[relative(out, path).replaceAll("\\", "/")] = await sha256(path);
}
const manifest = { lock_sha256: await sha256(join(root, "package-lock.json")), files };
await writeFile(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
console.log(`static/vendor: ${Object.keys(files).length} files`);
