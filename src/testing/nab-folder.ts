/** Where NAB's data is: beside the checkout, not in it. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const SHARED = process.env["SEEDCORE_SHARED"] ?? join(import.meta.dirname, "..", "..", "..", "shared");

/** What `loadNab` reads; it need not exist. */
export const NAB_FOLDER: string = resolve(SHARED, "data", "nab");

export const hasNab: boolean = existsSync(join(NAB_FOLDER, "labels", "combined_windows.json"));

/** What whoever needs it says when it is not there. */
export const NAB_NEEDED = "needs ../shared/data/nab; SEEDCORE_SHARED names another place than ../shared";
