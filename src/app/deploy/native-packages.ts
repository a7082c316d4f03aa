/** npm packages with native parts: a bundler cannot see what they load, so they travel as they are. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Folder of the package that a file belongs to; undefined outside of `node_modules`. */
export function packageFolderOf(file: string): string | undefined {
  return /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)/.exec(file)?.[1];
}

/** Whether it, or a part of it that comes as a package for each platform, holds a native addon. */
export function isNative(folder: string): boolean {
  return holdsAddon(folder) || dependenciesOf(folder, "optionalDependencies").some(holdsAddon);
}

/** It and all it needs, by the folder's path below the last `node_modules`. */
export function closureOf(folder: string, found = new Map<string, string>()): ReadonlyMap<string, string> {
  const name = folder.slice(folder.lastIndexOf("/node_modules/") + "/node_modules/".length);
  if (found.has(name)) return found;
  found.set(name, folder);
  for (const one of dependenciesOf(folder, "dependencies", "optionalDependencies")) closureOf(one, found);
  return found;
}

function holdsAddon(folder: string): boolean {
  return readdirSync(folder, { withFileTypes: true }).some((entry) => {
    if (entry.isDirectory()) return entry.name !== "node_modules" && holdsAddon(join(folder, entry.name));
    return entry.name.endsWith(".node");
  });
}

function dependenciesOf(folder: string, ...kinds: (keyof Manifest)[]): string[] {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
  const names = kinds.flatMap((kind) => Object.keys(manifest[kind] ?? {}));
  return [...new Set(names)].flatMap((name) => find(name, folder) ?? []);
}

/** As Node looks for it. One for another platform is not there. */
function find(name: string, from: string): string | undefined {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return candidate;
  }
  return undefined;
}
