import { expect, it } from "vitest";
import type { RecalledCase } from "#contracts/cognitive.ts";
import { ServiceError } from "#core/service-error.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { createPolicyTrial, type PolicyTrial } from "./policy-trial.ts";
import { createSettings } from "./settings.ts";

const RULES = [{ name: "again", when: "recalled.helped == 0", skill: "notify", target: "", params: {} }];
const CAUSE = { service: "stock", kind: "latency", confidence: 0.9, changeId: null, reasons: [] } as const;

/** Of one incident that had been compared with the case inc_0. */
function trial(recallCases: () => Promise<{ cases: RecalledCase[] }>): PolicyTrial {
  const incident = { id: "inc_1", title: "", series: [], openedAtMs: 0, lastEventMs: 0, updatedAtMs: 0 };
  const diagnosis = { cause: CAUSE, signature: ["stock/latency:up"] };
  return createPolicyTrial({
    settings: createSettings({}, createMemoryLogger(), createFakeClock()),
    incidents: {
      list: async () => ({ incidents: [incident] }),
      diagnosis: async () => ({ diagnosis, sinceMs: 0, recalled: ["inc_0"], about: {} }),
      crossingsOf: async () => [],
    } as never,
    actions: { ofIncident: async () => [] } as never,
    skills: async () => new Map(),
    state: { recallCases } as never,
  });
}

// It was said that they are not kept of the past, and that a later rule would have decided, which live it would not.
it("fails while those cannot be asked for that an incident was compared with", async () => {
  const gone = trial(() => Promise.reject(new ServiceError("UNAVAILABLE", "No replica of state can be reached.")));
  await expect(gone({ rules: RULES, sinceMs: 0, limit: 10 })).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

it("says of a rule that asks for cases that are forgotten that nobody knows", async () => {
  const forgotten = trial(async () => ({ cases: [] }));
  expect((await forgotten({ rules: RULES, sinceMs: 0, limit: 10 })).decisions).toMatchObject([
    { rule: null, unknown: ["again"], errors: [expect.stringContaining("recalled.helped")] },
  ]);
});
