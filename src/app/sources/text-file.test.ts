import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCsv } from "./csv.ts";
import { SourceError } from "./source-error.ts";
import { openTextFile } from "./text-file.ts";

describe("openTextFile", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "seedcore-text-file-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("streams a file a parser can read", async () => {
    const path = join(folder, "a.csv");
    await writeFile(path, `timestamp,value\n${"1,0.5\n".repeat(100_000)}`);
    const source = readCsv(await openTextFile(path), { name: path });
    for await (const batch of source) expect(batch[0]!.series).toBe("a");
    expect(source.report).toMatchObject({ rows: 100_000, accepted: 100_000 });
  });

  it.each([
    ["missing.csv", /missing.csv" does not exist/],
    ["empty.csv", /empty.csv" is empty/],
    [".", /is a directory/],
    ["bad\0name", /cannot be read/],
  ])("says what is wrong with %j", async (name, message) => {
    await writeFile(join(folder, "empty.csv"), "");
    const opening = openTextFile(join(folder, name));
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toBeInstanceOf(SourceError);
    await expect(opening).rejects.toHaveProperty("hint", expect.stringMatching(/\.$/));
  });
});
