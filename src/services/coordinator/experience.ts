/** Whether an action is worth doing: what energy expects of it, weighed by cognitive with what like cases say. */
import type { cognitive } from "#contracts/cognitive.ts";
import type { energy } from "#contracts/energy.ts";
import { skillName } from "#contracts/action-text.ts";
import type { Client } from "#runtime/client/client.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import type { DecisionsDeps } from "./decisions.ts";

/** Short: the triage waits for the answer. */
const BRIEF = { priority: "background", deadlineMs: 1_000 } as const;
const MOST_TOLD = 3;

export function createExperience(deps: {
  readonly cognitive: Pick<Client<typeof cognitive>, "makeDecision">;
  readonly energy: Pick<Client<typeof energy>, "predict">;
  readonly log: Logger;
}): DecisionsDeps["weigh"] {
  return async (option, others, { severity }, cause) => {
    const options = [option, ...others];
    try {
      const predicted = await Promise.all(
        options.map(({ skill }) => deps.energy.predict({ skill, severity, chance: 1 }, BRIEF)),
      );
      const { action, reasoning, ranked } = await deps.cognitive.makeDecision(
        { cause, options: options.map((one, i) => ({ ...one, predictedDeltaE: predicted[i]?.deltaE ?? null })) },
        BRIEF,
      );
      const own = ranked.find(({ index }) => index === 0);
      if (action === "hold" || own === undefined) return { ...UNWEIGHED, isWorthIt: false, reasoning };
      const besides = ranked
        .filter(({ index }) => index !== 0)
        .map(({ index, chance }) => {
          const other = options[index] ?? option;
          return `${skillName(other)}, ${Math.round(100 * chance)} % to help`;
        });
      const told =
        besides.length === 0
          ? "Nothing else that is known is meant for it"
          : `Else ${besides.slice(0, MOST_TOLD).join("; ")}`;
      const isWorthIt = own.netDeltaE < 0;
      return {
        isWorthIt,
        reasoning: `${isWorthIt ? "" : "It risks more than it is likely to bring. "}${own.text} ${told}.`,
        deltaE: own.expectedDeltaE,
        rawDeltaE: own.chance * (predicted[0]?.rawDeltaE ?? 0),
      };
    } catch (error) {
      // The policy has said that it should be done: not being able to weigh it is no reason against.
      deps.log.warn({ err: error, skill: option.skill }, "An action could not be weighed; the policy alone decides.");
      return UNWEIGHED;
    }
  };
}

const UNWEIGHED = { isWorthIt: true, reasoning: "", deltaE: null, rawDeltaE: null } as const;
