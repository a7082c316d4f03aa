import { expect, it } from "vitest";
import { checkVersion } from "./supported-versions.ts";

const check = (version: string) => () => checkVersion(version);

it("accepts the versions that were tested, in every patch", () => {
  for (const version of ["2.57.1", "2.58.0", "2.59.0", "2.60.0", "2.60.12", "2.60.0.post1"])
    expect(check(version)).not.toThrow();
});

// An untested Ray fails in the middle of a deployment, in ways that nobody can read.
it("refuses older, newer and unreadable ones, says which and how to try all the same", () => {
  for (const version of ["2.56.1", "2.9.0", "1.60.0", "2.61.0", "3.0.0.dev0", "nightly"]) {
    expect(check(version)).toThrow(`Ray ${version};`);
    expect(check(version)).toThrow("SEEDCORE_RAY_ANY_VERSION=1");
  }
});
