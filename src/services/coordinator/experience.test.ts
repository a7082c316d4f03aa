import { expect, it } from "vitest";
import type { Option } from "#contracts/cognitive.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { createExperience } from "./experience.ts";
import type { IncidentRecord } from "./incident.ts";

const CAUSE = { service: "cart", kind: "latency", confidence: 0.9 } as const;
const INCIDENT = { id: "inc_1", severity: "medium" } as IncidentRecord;
const RESTART = {
  skill: "restart-host",
  target: "cart",
  risk: "high",
  helped: 1,
  failed: 0,
  cases: ["inc_0"],
} as const;
const SCALE = { ...RESTART, skill: "scale-host", risk: "low", cases: [] } as const;
type Ranked = { readonly index: number; readonly netDeltaE: number; readonly chance: number };

/** What is thought of a restart, with scaling beside it, where cognitive ranks them so. */
function opinionOf(action: "act" | "hold", ranked: readonly Ranked[]) {
  const asked: { skill?: string | undefined; predictedDeltaE?: number | null }[] = [];
  const weigh = createExperience({
    energy: {
      predict: async ({ skill }: { skill?: string }) => ({
        deltaE: skill === "restart-host" ? -1 : -2,
        rawDeltaE: -2,
        correction: 1,
      }),
    } as never,
    cognitive: {
      makeDecision: async ({ options }: { options: Option[] }) => {
        asked.push(...options);
        const text = (index: number) => `${options[index]?.skill} of cart: said so.`;
        return {
          action,
          reasoning: "The cause is a guess.",
          ranked: ranked.map((one) => ({ ...one, expectedDeltaE: -0.5, text: text(one.index), refs: [] })),
        };
      },
    } as never,
    log: createMemoryLogger(),
  });
  return {
    asked,
    opinion: weigh({ ...RESTART, cases: [...RESTART.cases] }, [{ ...SCALE, cases: [] }], INCIDENT, CAUSE),
  };
}

it("asks what is expected of each skill by its own ledger, and says what else there was", async () => {
  const { asked, opinion } = opinionOf("act", [
    { index: 1, netDeltaE: -1.2, chance: 0.6 },
    { index: 0, netDeltaE: -0.3, chance: 0.5 },
  ]);
  // The rule is followed, although something else is thought more of.
  expect(await opinion).toEqual({
    isWorthIt: true,
    reasoning: "restart-host of cart: said so. Else scale-host of cart, 60 % to help.",
    deltaE: -0.5,
    rawDeltaE: -1,
  });
  expect(asked.map(({ skill, predictedDeltaE }) => [skill, predictedDeltaE])).toEqual([
    ["restart-host", -1],
    ["scale-host", -2],
  ]);
});

it("is not worth it where the cause is a guess, or its own risk is more than it is likely to bring", async () => {
  const ranked = [{ index: 0, netDeltaE: -0.3, chance: 0.5 }];
  expect(await opinionOf("hold", ranked).opinion).toMatchObject({
    isWorthIt: false,
    reasoning: "The cause is a guess.",
  });
  const others = opinionOf("act", [
    { index: 1, netDeltaE: -1.2, chance: 0.6 },
    { index: 0, netDeltaE: 0.1, chance: 0.05 },
  ]);
  expect(await others.opinion).toMatchObject({ isWorthIt: false, reasoning: expect.stringContaining("risks more") });
});
