/** What a replica on Ray needs of us: the present bundle and the Python module that hosts it. */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { PackageFile } from "#runtime/ray/rest/zip.ts";
import { programOf } from "../program-path.ts";

/** Program of the host within the package. */
export const HOST_ENTRY = "host.js";

/** @param folder of a build; a program that runs from its sources has none beside it */
export async function readPackageFiles(folder = dirname(programOf("host"))): Promise<PackageFile[]> {
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")) as { readonly files: string[] };
  return Promise.all(manifest.files.map(async (path) => ({ path, content: await readFile(join(folder, path)) })));
}
