import { expect, it } from "vitest";
import { createFakeClock } from "#testing/fake-clock.ts";
import type { SeriesBatch } from "../../sources/point-source.ts";
import { replay } from "./replay.ts";

async function* points(): AsyncGenerator<SeriesBatch[]> {
  for (let i = 0; i < 5; i++) yield [{ series: "value", points: [{ timestampMs: i * 60_000, value: i }] }];
}

it("passes points on at their time, and those of an earlier run at once", async () => {
  const clock = createFakeClock();
  const signal = new AbortController().signal;
  const passed: [number, number][] = [];
  const startMs = clock.monotonic();
  const replaying = (async () => {
    for await (const batch of replay(points(), { speed: 60, skipPoints: 2, clock, signal }))
      passed.push([batch[0]?.points[0]?.value ?? Number.NaN, clock.monotonic() - startMs]);
  })();
  for (let i = 0; i < 3; i++) await clock.advance(1_000);
  await replaying;
  expect(passed).toEqual([
    [0, 0],
    [1, 0],
    [2, 0],
    [3, 1_000],
    [4, 2_000],
  ]);
});
