import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { firstComplaint, lastWords } from "./last-words.ts";

const folder = mkdtempSync(join(tmpdir(), "seedcore-words-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "host.log");

const RECORD = '{"level":"info","msg":"started"}\n';

test.each([
  [
    "the line of an error, not where it was thrown",
    "file:///x.js:1\n  f()\n  ^\n\nTypeError: f is no function\n    at x\n\nNode.js v24\n",
    "TypeError: f is no function",
  ],
  ["what a program printed before it exited", `${RECORD}(node:1) Warning: old\nno licence\n${RECORD}`, "no licence"],
  ["nothing where only records are", RECORD, undefined],
  ["nothing where nothing is", "", undefined],
])("finds %s", (_what, written, found) => {
  const before = "Error: of the one before\n";
  writeFileSync(file, before + written);
  expect(lastWords(file, before.length)).toBe(found);
});

test("reads a log that was cut from its beginning, only the end of a long one, and none that is gone", () => {
  writeFileSync(file, "Error: after the cut\n");
  expect(lastWords(file, 1_000)).toBe("Error: after the cut");
  writeFileSync(file, `Error: long ago\n${RECORD.repeat(2_000)}the end\n`);
  expect(lastWords(file, 0)).toMatch(/the end$/);
  expect(lastWords(join(folder, "gone.log"), 0)).toBeUndefined();
});

// What a service logs of its own failure before it is ready is a record: the program lives, and nothing else says why.
test.each([
  [
    "the first record of an error, with its cause",
    `waiting\n{"level":"error","error":{"message":"refused"},"msg":"no model"}\n`,
  ],
  ["its text, where the cause is one", '{"level":"error","err":"refused","msg":"no model"}\n'],
])("tells of a program that is starting %s", (_what, written) => {
  writeFileSync(file, `${RECORD}${written}`);
  expect(firstComplaint(file, 0)).toBe("no model: refused");
});

test("tells what a program that is starting has printed, where it logged no error", () => {
  writeFileSync(file, `${RECORD}{"level":"error\nwaiting for the licence server\n`);
  expect(firstComplaint(file, 0)).toBe("waiting for the licence server");
});
