import { expect, it } from "vitest";
import { describeWithNab } from "#testing/describe-with-nab.ts";
import type { NabSeries } from "#testing/nab.ts";
import { createSeriesScorer, restoreSeriesScorer } from "./series-scorer.ts";

describeWithNab("a series scorer on a real series", (corpus) => {
  const taxi = corpus.find(({ name }) => name === "nyc_taxi.csv") as NabSeries;

  it("finds the five known events of a real series", () => {
    const scorer = createSeriesScorer();
    const hit = new Set<number>();
    taxi.values.forEach((value, i) => {
      const { crossing } = scorer.update(value, taxi.timestampsMs[i] as number);
      if (crossing) hit.add(taxi.windows.findIndex(([first, last]) => i >= first && i <= last));
    });
    hit.delete(-1);
    expect([...hit]).toEqual([0, 1, 2, 3, 4]);
  });

  it("continues bit-identically when saved and restored", () => {
    for (const cut of [0, 1, 777, 5_900, 6_100, 9_000]) {
      const one = createSeriesScorer();
      for (let i = 0; i < cut; i++) one.update(taxi.values[i] as number, taxi.timestampsMs[i] as number);
      const other = restoreSeriesScorer(one.save());
      expect(other.current()).toEqual(one.current());
      for (let i = cut; i < taxi.values.length; i++) {
        const point = [taxi.values[i] as number, taxi.timestampsMs[i] as number] as const;
        expect(other.update(...point)).toEqual(one.update(...point));
      }
      expect(other.save()).toEqual(one.save());
    }
  });
});

it("a series scorer refuses foreign bytes", () => {
  const state = createSeriesScorer().save();
  expect(() => restoreSeriesScorer(Uint8Array.of(3, 1, 2))).toThrow("series scorer state starts with version 3");
  expect(() => restoreSeriesScorer(state.subarray(0, 1_000))).toThrow("series scorer state ends after 1000 bytes");
  expect(() => restoreSeriesScorer(state.subarray(0, 2_500))).toThrow("alarm state ends after");
});
