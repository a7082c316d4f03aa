/** A person's service as files that run by themselves on any machine with Node, beside Ray's own Python module. */
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { ServiceError } from "#core/service-error.ts";
import type { PackageFile } from "#runtime/ray/rest/zip.ts";
import { programOf } from "../program-path.ts";
import { closureOf, isNative, packageFolderOf } from "./native-packages.ts";
import type { OwnFolder } from "./own-folder.ts";

/** The program of the host within the bundle. */
export const OWN_ENTRY = "host.js";
const VIRTUAL_ENTRY = "seedcore:host";

/**
 * Bundles the service with the host's program. What it imports from "seedcore" is this SeedCore; packages with native
 * addons travel whole in `node_modules`; files keep their executable bit.
 * @throws ServiceError INVALID_INPUT naming what cannot be compiled or found
 */
export async function bundleService({ path, settings }: OwnFolder): Promise<readonly PackageFile[]> {
  // Loaded here: no other command needs it.
  const { rolldown } = await import("rolldown");
  const native = new Map<string, string>();
  const missing: string[] = [];
  const host = programOf("own-host");
  const seedcore = host.endsWith(".ts") ? join(dirname(dirname(host)), "index.ts") : join(dirname(host), "index.js");
  const service = join(path, settings.entry);
  try {
    await using bundle = await rolldown({
      cwd: path,
      input: { host: VIRTUAL_ENTRY },
      platform: "node",
      onLog(_level, log) {
        if (log.code === "UNRESOLVED_IMPORT") missing.push(log.message);
      },
      plugins: [
        {
          name: "seedcore",
          async resolveId(source, importer) {
            if (source === VIRTUAL_ENTRY) return source;
            if (source === "seedcore") return seedcore;
            if (/^[./#]|^node:/.test(source) || importer === undefined) return null;
            const found = await this.resolve(source, importer, { skipSelf: true });
            const folder = found === null || found.external ? undefined : packageFolderOf(found.id);
            if (folder === undefined || !isNative(folder)) return null;
            for (const [name, from] of closureOf(folder)) native.set(name, from);
            return { id: source, external: true };
          },
          load(id) {
            if (id !== VIRTUAL_ENTRY) return null;
            return `import { runOwnHost } from ${JSON.stringify(host)};\nrunOwnHost(() => import(${JSON.stringify(service)}));\n`;
          },
        },
      ],
    });
    const { output } = await bundle.generate({
      format: "esm",
      entryFileNames: "[name].js",
      chunkFileNames: "chunk-[hash].js",
    });
    if (missing[0] !== undefined) throw new Error(missing[0]);
    return [
      ...output.map((chunk) => text(chunk.fileName, chunk.type === "chunk" ? chunk.code : chunk.source)),
      text("package.json", '{ "type": "module" }\n'),
      text("seedcore_ray.py", readFileSync(shimOf(host))),
      ...settings.files.flatMap((file) => filesIn(join(path, file), file.replace(/^\.\//, ""))),
      ...[...native].flatMap(([name, from]) => filesIn(realpathSync(from), `node_modules/${name}`)),
    ];
  } catch (cause) {
    if (cause instanceof ServiceError) throw cause;
    throw new ServiceError("INVALID_INPUT", `${service} cannot be bundled. ${toSentence(cause)}`, {
      cause,
      started: "no",
    });
  }
}

function shimOf(host: string): string {
  const folder = dirname(host);
  return host.endsWith(".ts")
    ? join(folder, "..", "runtime", "ray", "python", "seedcore_ray.py")
    : join(folder, "seedcore_ray.py");
}

function text(path: string, content: string | Uint8Array): PackageFile {
  return { path, content: Buffer.from(content) };
}

/** A file, or all below a folder. Packages below `node_modules` come by themselves. */
function filesIn(from: string, path: string): PackageFile[] {
  const { mode } = statSync(from);
  if (statSync(from).isDirectory()) {
    return readdirSync(from)
      .filter((name) => name !== "node_modules")
      .flatMap((name) => filesIn(join(from, name), `${path.replace(/\/$/, "")}/${name}`));
  }
  return [{ path, content: readFileSync(from), mode: (mode & 0o111) === 0 ? 0o644 : 0o755 }];
}

/** What the compiler says first, and where; it draws the source as well. */
function toSentence(cause: unknown): string {
  const message = stripVTControlCharacters((cause as Error).message);
  const said = /^\[[A-Z_]+\] (.*)$/m.exec(message)?.[1] ?? message.trim();
  const where = /╭─\[ (.+) \]/.exec(message)?.[1];
  return where === undefined ? said : `${where.trim()}: ${said}`;
}
