import { expect, it } from "vitest";
import { MOST_POINTS, type Points, withNewer, withStretch } from "./points.ts";

const at = (...times: number[]): Points => times.map((atMs) => [atMs, 10 * atMs]);

// While the stream was broken points were scored: asked for after the newest ones had come, they were left out.
it("fills a gap before points that a stream has told already", () => {
  expect(withStretch(at(1, 2, 6, 7), at(3, 4, 5, 6))).toEqual(at(1, 2, 3, 4, 5, 6, 7));
});

// An answer and the stream tell of the same points: twice the same time makes a chart go backwards.
it("has no point twice", () => {
  expect(withNewer(at(1, 2, 3), at(2, 3, 4))).toEqual(at(1, 2, 3, 4));
  expect(withStretch(at(1, 2), at(1, 2))).toEqual(at(1, 2));
});

it("stays as it is where nothing is new, and keeps the newest of too many", () => {
  const known = at(1, 2);
  expect(withNewer(known, at(2))).toBe(known);
  expect(withStretch(known, [])).toBe(known);
  const many = at(...Array.from({ length: MOST_POINTS + 5 }, (_, i) => i));
  expect(withStretch([], many)).toHaveLength(MOST_POINTS);
  expect(withNewer([], many)[0]?.[0]).toBe(5);
});
