/**
 * What is learned from the outcome of an action and the end of an incident: the case, the weight of the cases that spoke of
 * the action, whether the causes that were acted on were right, and what the action changed in energy. Delivered by the outbox, so that each is told, and told at
 * least once.
 */
import type { cognitive } from "#contracts/cognitive.ts";
import type { energy } from "#contracts/energy.ts";
import type { state } from "#contracts/state.ts";
import { WriteRefused } from "#runtime/storage/database.ts";
import type { Client } from "#runtime/client/client.ts";
import { type ActionRecord, isRepair, wasTried } from "./action.ts";
import type { ActionStore } from "./action-store.ts";
import { hasHelped, judgeCauses } from "./cause-verdicts.ts";
import type { IncidentRecord } from "./incident.ts";
import type { IncidentStore, StoredDiagnosis } from "./incident-store.ts";
import type { OwnedWrite } from "./owned-write.ts";
import { isSameCause } from "./policy/signals-of.ts";

export interface LearningDeps {
  readonly actions: ActionStore;
  readonly incidents: IncidentStore;
  readonly cognitive: Pick<Client<typeof cognitive>, "recordOutcome">;
  readonly energy: Pick<Client<typeof energy>, "settleEntry">;
  readonly state: Pick<Client<typeof state>, "putCase" | "weighCase">;
  readonly write: OwnedWrite;
  readonly epoch: () => number | undefined;
}

/** More changes of one action in a row than this are no chance; the message is delivered again. */
const MOST_ATTEMPTS = 5;
/** Of an incident, in its case. */
const MOST_USELESS = 100;
const BACKGROUND = { priority: "background" } as const;

export function createLearning(deps: LearningDeps) {
  return {
    /** Every step may be repeated: the message is delivered again until all were taken. */
    async from(actionId: string): Promise<void> {
      const action = await deps.actions.get(actionId);
      if (action === undefined) return;
      const helped = hasHelped(action);
      if (helped !== null) {
        for (const said of action.recalled) {
          await deps.state.weighCase.try(
            { id: said.id, reportId: actionId, misled: said.helped !== helped },
            BACKGROUND,
          );
        }
      }
      await remember(action.incidentId);
      const settled = await deps.energy.settleEntry.try({ actionId }, BACKGROUND);
      if (settled.ok) await noteEnergy(action, settled.value.measuredDeltaE);
    },

    remember,
  };

  /** What an incident teaches as it is now: whether its causes were right, and its case. */
  async function remember(incidentId: string): Promise<void> {
    const [incident, thought, actions] = await Promise.all([
      deps.incidents.get(incidentId),
      deps.incidents.diagnosis(incidentId),
      deps.actions.ofIncident(incidentId),
    ]);
    if (incident === undefined || thought === undefined) return;
    for (const verdict of judgeCauses(incident, actions)) await deps.cognitive.recordOutcome(verdict, BACKGROUND);
    await putCase(incident, thought, actions);
  }

  async function putCase(
    incident: IncidentRecord,
    thought: StoredDiagnosis,
    actions: readonly ActionRecord[],
  ): Promise<void> {
    const tried = actions.filter((one) => isRepair(one) && wasTried(one));
    // The one that helped is what the case is worth; else the last one that told something, else the last one.
    const told =
      tried.find(({ state }) => state === "helped") ?? tried.findLast((one) => hasHelped(one) !== null) ?? tried.at(-1);
    // Of the cause that it was an answer to: what has been blamed since was not put to the test.
    const cause = told === undefined ? thought.diagnosis.cause : told.cause;
    const useless = tried.filter(
      (one) =>
        one !== told &&
        hasHelped(one) === false &&
        one.cause !== null &&
        cause !== null &&
        isSameCause(one.cause, cause),
    );
    await deps.state.putCase(
      {
        id: incident.id,
        signature: thought.diagnosis.signature.slice(0, 1_000),
        cause:
          incident.label === "not-an-incident" || cause === null ? null : { service: cause.service, kind: cause.kind },
        action: told === undefined ? null : { skill: told.skill, target: told.target },
        helped: told === undefined ? null : hasHelped(told),
        useless: useless.slice(-MOST_USELESS).map(({ skill, target }) => ({ skill, target })),
      },
      BACKGROUND,
    );
  }

  async function noteEnergy(action: ActionRecord, measuredDeltaE: number | null): Promise<void> {
    const epoch = deps.epoch();
    if (epoch === undefined || action.measuredDeltaE === measuredDeltaE) return;
    for (let attempt = 1; ; attempt++) {
      const now = (await deps.actions.get(action.id)) ?? action;
      try {
        await deps.write(epoch, [deps.actions.replace({ ...now, measuredDeltaE })]);
        return;
      } catch (error) {
        // Its task has ended meanwhile: what became of it must stay.
        if (!(error instanceof WriteRefused) || attempt === MOST_ATTEMPTS) throw error;
      }
    }
  }
}
