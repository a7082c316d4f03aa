import fc from "fast-check";
import { expect, it } from "vitest";
import type { Roles } from "#contracts/state.ts";
import { type Candidate, chooseAgent } from "./agent-choice.ts";

const SPECIALIST: Roles = { E: 0, S: 1, O: 0 };
const OBSERVER: Roles = { E: 0, S: 0, O: 1 };
const agent = (id: string, more: Partial<Candidate> = {}): Candidate => ({
  id,
  capability: 0.5,
  running: 0,
  roles: SPECIALIST,
  ...more,
});
const choices = (candidates: readonly Candidate[], isRisky = false, count = 2_000) =>
  Array.from({ length: count }, (_, i) => chooseAgent(candidates, { id: `task_${i}`, isRisky }));
const shareOf = (id: string, made: ReturnType<typeof choices>) =>
  made.filter((choice) => choice?.agent.id === id).length / made.length;

it("gives specialists what they are best at, for their load", () => {
  const best = agent("best", { capability: 0.9 });
  expect(shareOf("best", choices([best, agent("other")]))).toBe(1);
  expect(shareOf("best", choices([{ ...best, running: 1 }, agent("other")]))).toBe(0);
});

// Who failed at first had nothing any more by which it could have got better.
it("gives an explorer some of what another is better at, as often as its share says", () => {
  const novice = agent("novice", { capability: 0.01, roles: { E: 0.3, S: 0.7, O: 0 } });
  const made = choices([agent("expert", { capability: 0.99 }), novice]);
  expect(shareOf("novice", made)).toBeGreaterThan(0.25);
  expect(shareOf("novice", made)).toBeLessThan(0.35);
  expect(made.every((choice) => choice?.agent.id === "expert" || choice?.role === "E")).toBe(true);
});

it("gives an observer nothing with a risk, unless all observe", () => {
  const able = agent("able", { capability: 0.9, roles: OBSERVER });
  const poor = agent("poor", { capability: 0.1 });
  expect(shareOf("able", choices([able, poor], true))).toBe(0);
  expect(shareOf("able", choices([able, poor], false))).toBe(1);
  expect(shareOf("able", choices([able, { ...poor, roles: OBSERVER }], true))).toBe(1);
});

it("shares out what equals do, and says the same each time it is asked", () => {
  const two = [agent("a"), agent("b")];
  expect(shareOf("a", choices(two))).toBeCloseTo(0.5, 1);
  expect(choices(two)).toEqual(choices(two.toReversed()));
});

it("always finds one where there is one", () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  const candidate = fc.record({
    id: fc.string(),
    capability: share,
    running: fc.nat(100),
    roles: fc.record({ E: share, S: share, O: share }),
  });
  fc.assert(
    fc.property(fc.array(candidate), fc.string(), fc.boolean(), (candidates, id, isRisky) => {
      const choice = chooseAgent(candidates, { id, isRisky });
      expect(choice === undefined).toBe(candidates.length === 0);
      if (choice !== undefined) expect(candidates).toContain(choice.agent);
    }),
  );
});
