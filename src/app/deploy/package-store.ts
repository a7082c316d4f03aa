/** Code of a person's own services on this machine: a folder for each version, named by its content. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { digestOf } from "#runtime/ray/rest/packages.ts";
import type { PackageFile } from "#runtime/ray/rest/zip.ts";

/** A host that is being replaced may still load parts of its version. */
const KEPT_MS = 60 * 60_000;

/** Puts the files into their folder, where they may be already. @returns the folder */
export function storePackage(packagesDir: string, digest: string, files: readonly PackageFile[]): string {
  const folder = join(packagesDir, digest);
  if (existsSync(folder)) return folder;
  const temporary = `${folder}.${process.pid}`;
  for (const { path, content, mode } of files) {
    const file = join(temporary, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, content, { mode: mode ?? 0o644 });
  }
  try {
    renameSync(temporary, folder);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

/** Undefined when this machine has no such package. @param uri as a host spec names it, of this machine or of Ray */
export function readPackage(packagesDir: string, uri: string): readonly PackageFile[] | undefined {
  const folder = join(packagesDir, digestOf(uri));
  if (!existsSync(folder)) return undefined;
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const file = join(entry.parentPath, entry.name);
      const mode = (statSync(file).mode & 0o111) === 0 ? 0o644 : 0o755;
      return { path: file.slice(folder.length + 1), content: readFileSync(file), mode };
    });
}

/** Removes what no host uses any more, and has not for a while. @param used as host specs name them */
export function prunePackages(packagesDir: string, used: readonly string[], nowMs: number): void {
  const kept = new Set(used.map(digestOf));
  if (!existsSync(packagesDir)) return;
  for (const name of readdirSync(packagesDir)) {
    const folder = join(packagesDir, name);
    if (kept.has(name) || nowMs - statSync(folder).mtimeMs < KEPT_MS) continue;
    rmSync(folder, { recursive: true, force: true });
  }
}
