import { join } from "node:path";

/** The file that runs as a process of its own: built beside this one, or in a checkout its source. */
export function programOf(name: "host" | "own-host" | "supervisor"): string {
  return join(import.meta.dirname, import.meta.filename.endsWith(".ts") ? `${name}.ts` : `${name}.js`);
}
