import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { rotateLog } from "./log-file.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "seedcore-log-"))));
afterEach(() => rmSync(folder, { recursive: true }));

test("lines written while a log is rotated are in one of its two files", async () => {
  const file = join(folder, "core.log");
  writeFileSync(file, "");
  const lineOf = (n: number) => `{"n":${n},"msg":"${"x".repeat(90)}"}\n`;
  let n = 0;
  while (n < 20_000) appendFileSync(file, lineOf(n++));
  const before = n;
  let done = false;
  const rotating = rotateLog(file, 1_000).finally(() => (done = true));
  // Between the steps of the rotation, as another process would.
  while (!done) {
    appendFileSync(file, lineOf(n++));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await rotating).toBe(true);
  appendFileSync(file, lineOf(n++));
  expect(n).toBeGreaterThan(before + 1);
  const kept = readFileSync(`${file}.1`, "utf8") + readFileSync(file, "utf8");
  expect(kept).toBe(Array.from({ length: n }, (_, i) => lineOf(i)).join(""));
  expect(readFileSync(file, "utf8").length).toBeLessThan(1_000_000);
});

test("a log below its cap, or one that is not there, stays as it is", async () => {
  const file = join(folder, "core.log");
  expect(await rotateLog(file, 10)).toBe(false);
  writeFileSync(file, "short\n");
  expect(await rotateLog(file, 10)).toBe(false);
  expect(readFileSync(file, "utf8")).toBe("short\n");
});
