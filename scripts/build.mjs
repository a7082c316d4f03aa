// Bundles src into dist: `node scripts/build.mjs`. Safe beside a running organism and beside another build: chunks are
// named by their content and never change, and each entry is one line, replaced in one step.
import { spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { build as buildPage } from "vite";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
const startedAt = new Date();
const KEPT_MS = 7 * 24 * 3_600_000;

const entries = {
  index: "src/index.ts",
  cli: "src/app/cli/main.ts",
  host: "src/app/host.ts",
  "own-host": "src/app/own-host.ts",
  supervisor: "src/app/supervisor.ts",
  "sqlite-worker": "src/runtime/storage/sqlite-worker.ts",
};
const types = declareTypes();
const scripts = ["src/runtime/engine/embedded/reaper.sh", "src/runtime/ray/python/seedcore_ray.py"];

const bundle = await rolldown({
  cwd: root,
  input: Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(join(root, file)))),
  platform: "node",
  // Its own native part is beside it where npm put it.
  external: ["rolldown"],
  logLevel: "warn",
  onwarn(warning, warn) {
    // Libraries' own circles and their `eval` are not ours to mend.
    if (!/node_modules/.test(`${warning.id ?? ""}${warning.message}`)) warn(warning);
  },
});
const { output } = await bundle.generate({
  format: "esm",
  entryFileNames: "[name]-[hash].js",
  chunkFileNames: "chunk-[hash].js",
  minify: false,
  sourcemap: false,
});
await bundle.close();

mkdirSync(dist, { recursive: true });
const page = await placePage();
const fresh = [];
for (const chunk of output) {
  place(chunk.fileName, chunk.type === "chunk" ? chunk.code : chunk.source);
  fresh.push(chunk.fileName);
}
for (const script of scripts) {
  const name = baseName(script);
  copyFileSync(join(root, script), join(dist, `.${name}.${process.pid}`));
  renameSync(join(dist, `.${name}.${process.pid}`), join(dist, name));
}
for (const chunk of output) {
  if (chunk.type === "chunk" && chunk.isEntry) place(`${chunk.name}.js`, `export * from "./${chunk.fileName}";\n`);
}
writeFileSync(join(dist, "package.json"), '{ "type": "module" }\n');
// What travels to a Ray cluster.
const travels = [
  ...fresh,
  ...output.filter(({ isEntry }) => isEntry).map(({ name }) => `${name}.js`),
  ...scripts.map(baseName),
  ...page,
];
place("manifest.json", `${JSON.stringify({ files: ["package.json", ...travels] }, null, 2)}\n`);
await types;
writeFileSync(join(dist, ".stamp"), "");
// What changed while this ran is newer than the stamp, so the next start builds again.
utimesSync(join(dist, ".stamp"), startedAt, startedAt);
for (const name of fresh) utimesSync(join(dist, name), startedAt, startedAt);
prune();

function baseName(path) {
  return path.slice(path.lastIndexOf("/") + 1);
}

function place(name, content) {
  const file = join(dist, name);
  if (existsSync(file) && readFileSync(file, "utf8") === content) return;
  const temporary = join(dist, `.${name}.${process.pid}`);
  writeFileSync(temporary, content);
  renameSync(temporary, file);
}

/** Builds the page beside the old one, compresses it, and puts it there in one step. Returns the names of its files. */
async function placePage() {
  const folder = join(dist, `.page.${process.pid}`);
  await buildPage({
    configFile: join(root, "dashboard/vite.config.ts"),
    build: { outDir: folder },
    logLevel: "warn",
  });
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(folder, join(parentPath, name)));
  for (const name of names) {
    const content = readFileSync(join(folder, name));
    writeFileSync(join(folder, `${name}.br`), brotliCompressSync(content));
    writeFileSync(join(folder, `${name}.gz`), gzipSync(content, { level: 9 }));
  }
  rmSync(join(dist, "page"), { recursive: true, force: true });
  renameSync(folder, join(dist, "page"));
  return names.flatMap((name) => ["", ".br", ".gz"].map((extension) => `page/${name}${extension}`));
}

/** Writes the public types, for programs that import this package; a checkout without the compiler has none. */
async function declareTypes() {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  if (!existsSync(compiler)) return;
  const folder = join(dist, `.types.${process.pid}`);
  const args = [compiler, "-p", join(root, "scripts/tsconfig.types.json"), "--outDir", folder];
  const compiling = spawn(process.execPath, args, { stdio: ["ignore", 2, 2] });
  const code = await new Promise((resolve) => compiling.on("error", () => resolve(1)).on("close", resolve));
  if (code !== 0) return rmSync(folder, { recursive: true, force: true });
  // The declarations name each other by the package's own aliases.
  const { imports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const aliases = Object.entries(imports).map(([alias, path]) => [
    alias.replace("*", "*.ts"),
    path.replace("./src/", "./").replace("*", "*.d.ts"),
  ]);
  const manifest = { type: "module", imports: Object.fromEntries(aliases) };
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  rmSync(join(dist, "types"), { recursive: true, force: true });
  renameSync(folder, join(dist, "types"));
}

// An organism that still runs from an older build loads its chunks when it first needs them.
function prune() {
  for (const name of readdirSync(dist)) {
    if (!/-[\w-]{8}\.js$/.test(name) || fresh.includes(name)) continue;
    if (startedAt.getTime() - statSync(join(dist, name)).mtimeMs > KEPT_MS) rmSync(join(dist, name), { force: true });
  }
}
