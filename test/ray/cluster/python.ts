/** The Python environment, with Ray, that the tests use. */
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..", "..");

/** `npm run test:ray` names that of another Ray. */
export const venv = join(root, process.env["SEEDCORE_TEST_VENV"] ?? ".venv");
export const python = join(venv, "bin", "python");
