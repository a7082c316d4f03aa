import { describe, it } from "vitest";
import { loadNab, type NabSeries } from "./nab.ts";
import { hasNab, NAB_FOLDER, NAB_NEEDED } from "./nab-folder.ts";

/**
 * As `describe`, with the corpus. Without the data it is one skipped test that says what it needs, so that a clone alone
 * passes; on CI that test fails, since nothing may be left out there.
 */
export function describeWithNab(name: string, tests: (corpus: readonly NabSeries[]) => void): void {
  if (hasNab) {
    describe(name, () => tests(loadNab(NAB_FOLDER)));
    return;
  }
  const isCi = (process.env["CI"] ?? "") !== "";
  it.skipIf(!isCi)(`${name} (${NAB_NEEDED})`, () => {
    throw new Error(`"${name}" ${NAB_NEEDED}. There is nothing at ${NAB_FOLDER}, and CI must have it.`);
  });
}
