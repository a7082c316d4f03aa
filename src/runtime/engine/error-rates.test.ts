import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "#core/random.ts";
import { fisherTail, isWorse } from "./error-rates.ts";

describe("Fisher's exact test", () => {
  // Values of the hypergeometric distribution, from binomial coefficients in exact integers.
  const choose = (n: number, k: number): bigint => {
    let value = 1n;
    for (let i = 0; i < k; i++) value = (value * BigInt(n - i)) / BigInt(i + 1);
    return k > n ? 0n : value;
  };
  const exactTail = (old: { calls: number; errors: number }, next: { calls: number; errors: number }) => {
    const errors = old.errors + next.errors;
    let tail = 0n;
    for (let k = next.errors; k <= Math.min(errors, next.calls); k++) {
      tail += choose(next.calls, k) * choose(old.calls, errors - k);
    }
    const all = choose(old.calls + next.calls, errors);
    return Number((tail * 10n ** 15n) / all) / 1e15;
  };
  const rate = fc
    .tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 40 }))
    .map(([calls, errors]) => ({ calls, errors: Math.min(calls, errors) }));

  it("agrees with exact integers", () => {
    fc.assert(
      fc.property(rate, rate, (old, next) => {
        expect(Math.abs(fisherTail(old, next) - exactTail(old, next))).toBeLessThan(1e-8);
      }),
    );
  });
});

describe("a new version is worse", () => {
  const ok = (calls: number, errors = 0) => ({ calls, errors });

  it.each([
    ["no error", ok(1_000), ok(50), false],
    ["two errors prove nothing", ok(100_000), ok(2, 2), false],
    ["three of fifty against none of 950", ok(950), ok(50, 3), true],
    ["half of ten against none of 40", ok(40), ok(10, 5), true],
    ["as many as before", ok(1_000, 100), ok(100, 12), false],
    ["a third more, few calls", ok(1_000, 100), ok(60, 8), false],
    ["certain, and not worth a return", ok(1_000_000, 100), ok(100_000, 300), false],
    ["all of five, nothing to compare with", ok(0), ok(5, 5), true],
    ["three of a hundred, nothing to compare with", ok(0), ok(100, 3), false],
  ])("%s", (_what, old, next, is) => {
    expect(isWorse(old, next)).toBe(is);
  });

  // A test that looks every second and is too eager would take back most rollouts of a service that errs a little.
  it("seldom by chance, looked at 90 times, when both err alike", () => {
    let wrong = 0;
    const rollouts = 1_000;
    for (let seed = 0; seed < rollouts; seed++) {
      const random = seededRandom(seed);
      const old = { calls: 0, errors: 0 };
      const next = { calls: 0, errors: 0 };
      for (let look = 0; look < 90; look++) {
        for (let call = 0; call < 20; call++) {
          const side = random.next() < 0.25 ? next : old;
          side.calls++;
          if (random.next() < 0.02) side.errors++;
        }
        if (!isWorse(old, next)) continue;
        wrong++;
        break;
      }
    }
    expect(wrong / rollouts).toBeLessThan(0.02);
  });
});
