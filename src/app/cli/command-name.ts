/** How this program is called on this machine: `seedcore` when that is on PATH, else the launcher as it was typed. */
import { variable } from "../config.ts";

/** The text with its commands as a person here can type them. */
export function asTyped(text: string, launcher: string | undefined = variable("SEEDCORE_LAUNCHER")): string {
  return launcher === undefined ? text : text.replace(/(?<![\w/.-])seedcore (?=[a-z-])/g, () => `${launcher} `);
}
