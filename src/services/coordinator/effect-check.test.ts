import { expect, it } from "vitest";
import { judgeEffect, type SeriesSince } from "./effect-check.ts";

const limits = { points: 3, spreads: 4 };
const crossing = { value: 120, expected: 20, spread: 1, direction: "up" } as const;
const latency = (...values: number[]): SeriesSince => ({ series: "s/latency", crossing, values });

it("has helped when every series is back, whatever one point says", () => {
  expect(judgeEffect([latency(90, 21, 20, 22)], limits).kind).toBe("helped");
  expect(judgeEffect([latency(20, 90, 21)], limits).kind).toBe("helped");
  expect(judgeEffect([latency(20, 21, 22), latency(120, 119, 121)], limits).kind).toBe("not yet");
});

// A calm series has hardly a spread: being nearly back must count, and half-way back must not.
it("lets the last fifth of the way pass, not more", () => {
  expect(judgeEffect([latency(39, 39, 39)], limits).kind).toBe("helped");
  expect(judgeEffect([latency(60, 60, 60)], limits).kind).toBe("not yet");
});

// A process that was restarted is smaller than ever: that is no trouble.
it("does not mind being beyond routine on the other side", () => {
  expect(judgeEffect([latency(2, 2, 2)], limits).kind).toBe("helped");
});

it("does not guess from too few points", () => {
  expect(judgeEffect([latency(20, 20)], limits).kind).toBe("silent");
});
