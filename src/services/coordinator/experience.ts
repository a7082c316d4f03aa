/** Whether an action is worth doing: what energy expects of it, weighed by cognitive with what like cases say. */
import type { cognitive } from "#contracts/cognitive.ts";
import type { energy } from "#contracts/energy.ts";
import type { Client } from "#runtime/client/client.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import type { DecisionsDeps } from "./decisions.ts";

/** Short: the triage waits for the answer. */
const BRIEF = { priority: "background", deadlineMs: 1_000 } as const;

export function createExperience(deps: {
  readonly cognitive: Pick<Client<typeof cognitive>, "makeDecision">;
  readonly energy: Pick<Client<typeof energy>, "predict">;
  readonly log: Logger;
}): DecisionsDeps["weigh"] {
  return async (option, { severity }, cause) => {
    try {
      const predicted = await deps.energy.predict({ skill: option.skill, severity, chance: 1 }, BRIEF);
      const full = { ...option, predictedDeltaE: predicted.deltaE };
      const { action, reasoning, ranked } = await deps.cognitive.makeDecision({ cause, options: [full] }, BRIEF);
      const [own] = ranked;
      return {
        isWorthIt: action === "act",
        reasoning,
        deltaE: own?.expectedDeltaE ?? null,
        rawDeltaE: own === undefined ? null : own.chance * predicted.rawDeltaE,
      };
    } catch (error) {
      // The policy has said that it should be done: not being able to weigh it is no reason against.
      deps.log.warn({ err: error, skill: option.skill }, "An action could not be weighed; the policy alone decides.");
      return { isWorthIt: true, reasoning: "", deltaE: null, rawDeltaE: null };
    }
  };
}
