import { expect, it } from "vitest";
import { createRequestIds } from "./request-ids.ts";

// Id 0 is answered by nobody, and a negative one is refused: either would hang the first call after two billion.
it("starts again at 1 after the last id, past those that still wait", () => {
  const waiting = new Set([1, 2]);
  const next = createRequestIds((id) => waiting.has(id), 2 ** 31 - 3);
  expect([next(), next(), next(), next()]).toEqual([2 ** 31 - 2, 2 ** 31 - 1, 3, 4]);
});
