import { expect, test } from "vitest";
import { systemIds } from "./ids.ts";

test("ids are unique, also across refills of the stock of random bytes, and sort by time", async () => {
  const ids = Array.from({ length: 5_000 }, () => systemIds.next("x"));
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^x_[0-9a-hjkmnp-tv-z]{26}$/);
  await new Promise((resolve) => setTimeout(resolve, 2));
  expect(systemIds.next("x") > (ids.at(-1) ?? "")).toBe(true);
});
