import { expect, it } from "vitest";
import { timeLabels } from "./format.ts";

// Over hours seconds say nothing and did not fit at 400 px; over days a time without its day is any day's.
it("labels times as short as tells them apart", () => {
  const every = (stepMs: number) => timeLabels([0, 1, 2].map((i) => i * stepMs)).map((label) => label.length);
  expect(every(10_000)).toEqual([8, 8, 8]);
  expect(every(300_000)).toEqual([5, 5, 5]);
  const days = [1, 2].map((day) => new Date(2026, 0, day).getTime());
  expect(timeLabels(days).map((label) => label.slice(0, 6))).toEqual(["1 Jan,", "2 Jan,"]);
});
