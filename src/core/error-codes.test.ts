import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ERROR_CODES } from "./error-codes.ts";

test("docs/errors.md has exactly the codes of the table, with their status and whether the work had started", () => {
  const text = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  const documented = [...text.matchAll(/^\| `([A-Z_]+)` \| (\d+) \| (yes|no) \| (yes|no|maybe) \| (.+) \|$/gm)].map(
    ([, code, status, retryable, started, todo]) => ({ code, status, retryable, started, todo }),
  );
  const declared = Object.entries(ERROR_CODES).map(([code, info]) => ({
    code,
    status: String(info.status),
    retryable: info.retryable ? "yes" : "no",
    started: info.started,
    todo: info.todo,
  }));
  expect(documented).toEqual(declared);
});
