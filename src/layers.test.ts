import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";

const SOURCE = import.meta.dirname;

/** What each layer may import besides itself. The tour in docs/architecture.md tells why. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  contracts: ["core"],
  runtime: ["core"],
  services: ["contracts", "runtime", "core"],
  app: ["services", "contracts", "runtime", "core"],
  testing: ["app", "services", "contracts", "runtime", "core"],
};

const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const isTest = (file: string) => /\.(test|test-d|bench|conformance)\.ts$/.test(file);
/** `index.ts`, what outsiders import, sees everything, as the app does. */
const layerOf = (path: string) => (path.includes("/") ? (path.split("/")[0] ?? "") : "app");

function importsOf(file: string): string[] {
  const text = readFileSync(join(SOURCE, file), "utf8");
  const found = [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"([#.][^"]+)"/g)].map((match) => match[1] ?? "");
  return found.map((specifier) =>
    specifier.startsWith("#") ? specifier.slice(1) : relative(SOURCE, join(SOURCE, dirname(file), specifier)),
  );
}

describe("layers", () => {
  it("have the files of the tree", () => {
    expect(files.length).toBeGreaterThan(50);
    expect([...new Set(files.map(layerOf))].filter((layer) => !(layer in MAY_IMPORT))).toEqual([]);
  });

  // A wrong direction works until the day the lower layer is used without the upper one.
  it("import in one direction only", () => {
    const wrong = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => {
          const from = layerOf(file);
          const to = layerOf(target);
          if (isTest(file) && to === "testing") return false;
          return from !== to && !MAY_IMPORT[from]?.includes(to);
        })
        .map((target) => `${file} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it("let a service know other services by their contract only", () => {
    const wrong = files
      .filter((file) => file.startsWith("services/"))
      .flatMap((file) =>
        importsOf(file)
          .filter((target) => target.startsWith("services/") && target.split("/")[1] !== file.split("/")[1])
          .map((target) => `${file} imports ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  // A variable read elsewhere is in no documentation and no validation.
  it("read the environment in app/config.ts only", () => {
    const readers = files.filter(
      (file) =>
        !isTest(file) &&
        !file.startsWith("testing/") &&
        readFileSync(join(SOURCE, file), "utf8").includes("process.env"),
    );
    expect(readers).toEqual(["app/config.ts"]);
  });

  it("only bring in tests' tools where tests are", () => {
    const wrong = files.filter(
      (file) =>
        !isTest(file) &&
        layerOf(file) !== "testing" &&
        /from "(vitest|fast-check)"/.test(readFileSync(join(SOURCE, file), "utf8")),
    );
    expect(wrong).toEqual([]);
  });
});
