import { expect, it } from "vitest";
import { judgeEffect } from "./effect-check.ts";
import { createSeriesSince } from "./series-since.ts";

const OPENED_MS = 1_000_000;
const SINCE_MS = OPENED_MS + 200_000;
const LIMITS = { points: 3, spreads: 4 };

/** A point a second: `before` until the fault, ten seconds before it was acted on, then 120, and `after` what was done. */
const pointsOf =
  (before: (atS: number) => number, after: number) => async (range: { fromMs: number; toMs?: number }) => {
    const points: [number, number, number][] = [];
    for (let atMs = OPENED_MS - 60_000; atMs < SINCE_MS + 5_000; atMs += 1_000) {
      if (atMs < range.fromMs || atMs > (range.toMs ?? Infinity)) continue;
      points.push([atMs, atMs >= SINCE_MS ? after : atMs >= SINCE_MS - 10_000 ? 120 : before(atMs / 1_000), 0]);
    }
    return { ok: true, value: { points } };
  };

async function judged(ask: (range: { fromMs: number; toMs?: number }) => Promise<unknown>) {
  const store = { crossingsOf: async () => [], get: async () => ({ openedAtMs: OPENED_MS }) };
  const since = createSeriesSince({ points: { try: ask } } as never, store as never);
  return judgeEffect(await since("inc_1", ["services/cart/latency"], SINCE_MS), LIMITS).kind;
}

// Without a crossing it was not looked at, and that nothing was looked at passed for help.
it("tells of a series that has not crossed what was routine before its incident", async () => {
  const usual = (atS: number) => 4 + (atS % 3) / 10;
  expect(await judged(pointsOf(usual, 4.2))).toBe("helped");
  expect(await judged(pointsOf(usual, 110))).toBe("not yet");
  expect(await judged(pointsOf(() => 4, 4.5))).toBe("helped");
});

it("cannot tell of a series of which nothing is known", async () => {
  expect(await judged(async () => ({ ok: false }))).toBe("silent");
  const sinceOnly = pointsOf(() => 4, 4);
  expect(await judged((range) => sinceOnly({ ...range, fromMs: Math.max(range.fromMs, SINCE_MS) }))).toBe("silent");
});
