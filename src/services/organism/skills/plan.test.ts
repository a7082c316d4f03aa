import { describe, expect, it } from "vitest";
import type { CauseKind, cognitive } from "#contracts/cognitive.ts";
import type { InputOf } from "#core/contract.ts";
import { ServiceError } from "#core/service-error.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { SkillFailed } from "../skill.ts";
import { plan, type PlanClients } from "./plan.ts";

const PLANNED = {
  steps: [
    {
      id: "step_0",
      action: "check",
      target: "stock",
      text: "See that stock is still to blame.",
      dependsOn: [],
      grounds: [],
    },
    {
      id: "step_1",
      action: "restart-host",
      target: "stock",
      text: "restart-host of stock.",
      dependsOn: [],
      grounds: [],
    },
  ],
  estimatedComplexity: 1,
  riskAssessment: "restart-host cannot be taken back.",
  confidence: 0.42,
  alternatives: [],
  missing: [],
};

type Asked = InputOf<(typeof cognitive)["procedures"]["planTask"]>;

interface World {
  readonly cause?: { readonly service: string | null; readonly kind: CauseKind; readonly confidence: number };
  readonly incident?: () => Promise<unknown>;
  readonly callGraph?: () => Promise<unknown>;
}

async function planned(world: World) {
  const asked: Asked[] = [];
  const clients = {
    coordinator: {
      getIncident:
        world.incident ??
        (async () => ({
          id: "inc_1",
          title: "stock/latency moved up",
          diagnosis: world.cause === undefined ? null : { cause: world.cause, signature: ["stock/latency:up"] },
        })),
    },
    state: {
      agents: async () => ({
        agents: [{ id: "agent_0", skills: [{ skill: "restart-host", capability: 0.6, succeeded: 3, failed: 1 }] }],
      }),
      recallCases: async () => ({ cases: [{ id: "inc_0" }, { id: "inc_1" }], known: 2 }),
    },
    telemetry: {
      callGraph: world.callGraph ?? (async () => ({ edges: [{ from: "front", to: "stock", before: {}, now: {} }] })),
    },
    cognitive: {
      planTask: async (input: Asked) => {
        asked.push(input);
        return PLANNED;
      },
    },
  } as unknown as PlanClients;
  const repair = { name: "restart-host", risk: "high", remedies: ["latency"], repairs: true, canUndo: false } as const;
  const tell = { name: "notify", risk: "none", remedies: [], repairs: false, canUndo: true } as const;
  // Has a risk, and repairs nothing.
  const hush = { name: "silence", risk: "low", remedies: [], repairs: false, canUndo: true } as const;
  const skill = plan(clients, () => [repair, tell, hush]);
  const context = {
    taskId: "task_1",
    signal: new AbortController().signal,
    clock: createFakeClock(),
    log: createMemoryLogger(),
  };
  const outcome = await skill.execute(skill.params.parse({ incident: "inc_1" }), context);
  return { outcome, asked: asked[0] };
}

const CAUSE = { service: "stock", kind: "latency", confidence: 0.8 } as const;

describe("a plan for an incident", () => {
  it("is made from its cause, the skills that repair, like cases, agents and calls", async () => {
    const { outcome, asked } = await planned({ cause: CAUSE });
    expect(asked).toEqual({
      taskDescription: "stock/latency moved up",
      cause: CAUSE,
      skills: [{ name: "restart-host", risk: "high", remedies: ["latency"], canUndo: false }],
      // Itself is no experience.
      cases: [{ id: "inc_0" }],
      performance: [{ agent: "agent_0", skill: "restart-host", succeeded: 3, failed: 1 }],
      edges: [{ from: "front", to: "stock" }],
    });
    expect(outcome.result).toMatchObject({ incident: "inc_1", confidence: 0.42, steps: PLANNED.steps });
    // What the story of the incident says.
    expect(outcome.effect.evidence).toBe(
      "42 % sure to help: 1. See that stock is still to blame. 2. restart-host of stock.",
    );
  });

  it("is one without a cause where none is known, and says what could not be asked", async () => {
    for (const world of [{}, { cause: { service: null, kind: "unknown", confidence: 1 } as const }])
      expect((await planned(world)).asked?.cause).toBeUndefined();
    const away = async () => Promise.reject(new ServiceError("UNAVAILABLE", "It is away."));
    const { outcome, asked } = await planned({ cause: CAUSE, callGraph: away });
    expect(asked?.edges).toEqual([]);
    expect(outcome.result).toMatchObject({ missing: [expect.stringContaining("calls whom")] });
  });

  // The one is tried again, the other never comes true.
  it.each([
    ["UNAVAILABLE", true],
    ["NOT_FOUND", false],
  ] as const)("fails when its incident cannot be had: %s", async (code, isRetryable) => {
    const incident = async () => Promise.reject(new ServiceError(code, "There is none."));
    const error = await planned({ incident }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(SkillFailed);
    expect(error).toMatchObject({ isRetryable, message: "There is none." });
  });
});
