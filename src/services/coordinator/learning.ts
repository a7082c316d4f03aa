/**
 * What is learned from the outcome of an action: the case, the weight of the cases that spoke for it, whether the cause named
 * was right, and what the action changed in energy. Delivered by the outbox, so that each is told, and told at least once.
 */
import type { cognitive } from "#contracts/cognitive.ts";
import type { energy } from "#contracts/energy.ts";
import type { state } from "#contracts/state.ts";
import { WriteRefused } from "#runtime/storage/database.ts";
import type { Client } from "#runtime/client/client.ts";
import type { ActionRecord } from "./action.ts";
import type { ActionStore } from "./action-store.ts";
import type { IncidentStore } from "./incident-store.ts";
import type { OwnedWrite } from "./owned-write.ts";

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
const BACKGROUND = { priority: "background" } as const;

export function createLearning(deps: LearningDeps) {
  return {
    /** Every step may be repeated: the message is delivered again until all were taken. */
    async from(actionId: string): Promise<void> {
      const action = await deps.actions.get(actionId);
      if (action === undefined) return;
      const helped = verdictOf(action);
      if (helped !== null) {
        await deps.cognitive.recordOutcome({ incidentId: action.incidentId, wasRight: helped }, BACKGROUND);
        for (const id of await misledOrHelping(action)) {
          await deps.state.weighCase.try({ id, reportId: action.id, misled: !helped }, BACKGROUND);
        }
      }
      await rememberCase(action.incidentId);
      const settled = await deps.energy.settleEntry.try({ actionId }, BACKGROUND);
      if (settled.ok) await noteEnergy(action, settled.value.measuredDeltaE);
    },

    remember: rememberCase,
  };

  /** The cases that spoke for the same action: they are what the outcome says something of. */
  async function misledOrHelping(action: ActionRecord): Promise<readonly string[]> {
    const others = await Promise.all(action.recalled.map((id) => deps.actions.ofIncident(id)));
    return action.recalled.filter((_id, i) => others[i]?.some(({ skill }) => skill === action.skill) === true);
  }

  async function rememberCase(incidentId: string): Promise<void> {
    const [incident, thought, actions] = await Promise.all([
      deps.incidents.get(incidentId),
      deps.incidents.diagnosis(incidentId),
      deps.actions.ofIncident(incidentId),
    ]);
    if (incident === undefined || thought === undefined) return;
    const tried = actions.filter(({ risk, actedAtMs }) => risk !== "none" && actedAtMs !== null);
    // The one that helped is what the case is worth; else the last one tried.
    const told = tried.find(({ state }) => state === "helped") ?? tried.at(-1);
    const { service, kind } = thought.diagnosis.cause;
    await deps.state.putCase(
      {
        id: incidentId,
        signature: thought.diagnosis.signature.slice(0, 1_000),
        cause: incident.label === "not-an-incident" ? null : { service, kind },
        action: told === undefined ? null : { skill: told.skill, target: told.target },
        helped: told === undefined ? null : verdictOf(told),
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

function verdictOf({ state, undoTaskId }: ActionRecord): boolean | null {
  if (state === "helped") return true;
  return state === "useless" || undoTaskId !== null ? false : null;
}
