import { expect, it } from "vitest";
import { seededRandom } from "#core/random.ts";
import { leadLag } from "./lead-lag.ts";

const noiseOf = (seed: number) => {
  const random = seededRandom(seed);
  return () => random.next() - 0.5;
};

function wandering(seed: number, length: number, noise = noiseOf(seed)): number[] {
  let level = 0;
  return Array.from({ length }, () => (level = 0.7 * level + noise()));
}

it("finds by how much one leads the other, either way round", () => {
  const cause = wandering(1, 200);
  const effect = cause.map((_value, i) => (i < 3 ? 0 : (cause[i - 3] as number)));
  expect(leadLag(cause, effect)).toMatchObject({ lag: 3 });
  expect(leadLag(cause, effect)?.p).toBeLessThan(0.05);
  expect(leadLag(effect, cause)?.lag).toBe(-3);
});

// Trying many lags finds something in anything: the test must pay for that.
it("takes chance for chance in about the share of pairs it says", () => {
  let significant = 0;
  const noise = noiseOf(77);
  for (let i = 0; i < 200; i++) {
    const found = leadLag(wandering(0, 150, noise), wandering(0, 150, noise));
    if (found !== undefined && found.p <= 0.05) significant++;
  }
  expect(significant / 200).toBeLessThan(0.09);
});

it("says nothing of what is too short, too full of gaps, or does not move", () => {
  expect(leadLag(wandering(1, 30), wandering(2, 30))).toBeUndefined();
  expect(
    leadLag(
      Array.from({ length: 200 }, () => 1),
      wandering(2, 200),
    ),
  ).toBeUndefined();
  expect(
    leadLag(
      Array.from({ length: 200 }, () => null),
      wandering(2, 200),
    ),
  ).toBeUndefined();
});
