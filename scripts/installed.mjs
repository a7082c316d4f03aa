// Exits 0 when node_modules holds what package-lock.json names. Runs on whatever Node there is.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = process.argv[2];
const packagesOf = (file) => JSON.parse(readFileSync(join(root, file), "utf8")).packages;
const wanted = packagesOf("package-lock.json");
const present = packagesOf("node_modules/.package-lock.json");
// Packages for other systems are optional and rightly absent.
const missing = Object.entries(wanted).find(
  ([path, { version, optional }]) => path !== "" && !(optional && !present[path]) && present[path]?.version !== version,
);
const extra = Object.keys(present).find((path) => !wanted[path]);
process.exit(missing || extra ? 1 : 0);
