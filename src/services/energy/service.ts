/** How far the organism is from rest, and what each action changed. Keeps only the ledger, as rows. */
import { energy, type LedgerEntry } from "#contracts/energy.ts";
import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import { implement, type Service } from "#runtime/service.ts";
import type { Database } from "#runtime/storage/database.ts";
import { correctionOf } from "./correction.ts";
import { type LiveState, SEVERITY_WEIGHT } from "./live-state.ts";
import { evaluate, gradientOf, problemOf } from "./objective.ts";
import type { EnergyStore } from "./store.ts";

export interface EnergyDeps {
  readonly database: Database;
  readonly store: EnergyStore;
  /**
   * @param incidentId leaves out the anomaly of all other incidents
   * @param isToBeRepaired counts that one whatever has helped in it before
   */
  readonly live: (incidentId?: string | null, isToBeRepaired?: boolean) => Promise<LiveState>;
  readonly clock: Clock;
}

export function energyService({ database, store, live, clock }: EnergyDeps): Service<typeof energy> {
  return implement(
    energy,
    {
      async evaluate({ state, includeGradient }, { fail }) {
        const problem = problemOf(state);
        if (problem !== undefined) throw fail("BAD_STATE", { problem }, problem);
        return { ...evaluate(state), ...(includeGradient ? { gradient: gradientOf(state) } : {}) };
      },

      async current() {
        const { state, agents, openIncidents } = await live();
        return { ...evaluate(state), takenAtMs: clock.now(), agents, openIncidents };
      },

      async predict({ skill, severity, chance }) {
        const rawDeltaE = -chance * SEVERITY_WEIGHT[severity];
        const correction = skill === undefined ? 1 : correctionOf(await store.settledOf(skill));
        return { deltaE: rawDeltaE * correction, rawDeltaE, correction };
      },

      async openEntry({ incidentId = null, rawDeltaE = null, ...entry }) {
        const known = await store.get(entry.actionId);
        if (known !== undefined) return known;
        const before = evaluate((await live(incidentId, true)).state);
        const opened = { ...entry, incidentId, rawDeltaE: rawDeltaE ?? entry.predictedDeltaE };
        return there(await store.open(opened, before, clock.now()));
      },

      async settleEntry({ actionId }, { fail }) {
        const entry = await store.get(actionId);
        if (entry === undefined) {
          throw fail(
            "UNKNOWN_ENTRY",
            { actionId },
            `The ledger has no entry of "${actionId}": open one before the action.`,
          );
        }
        if (entry.settledAtMs !== null) return entry;
        return there(await store.settle(entry, evaluate((await live(entry.incidentId)).state), clock.now()));
      },

      async ledger({ limit }) {
        const { entries, total, settled } = await store.list(limit);
        const errors = settled.flatMap(({ predictedDeltaE, measuredDeltaE }) =>
          predictedDeltaE === null || measuredDeltaE === null ? [] : [measuredDeltaE - predictedDeltaE],
        );
        const skills = new Set(settled.map(({ skill }) => skill));
        const corrections = await Promise.all(
          Array.from(skills, async (skill) => [skill, correctionOf(await store.settledOf(skill))] as const),
        );
        return {
          entries,
          total,
          bias: mean(errors),
          meanError: mean(errors.map(Math.abs)),
          corrections: Object.fromEntries(corrections),
        };
      },
    },
    { database },
  );
}

function there(entry: LedgerEntry | undefined): LedgerEntry {
  if (entry === undefined) throw new ServiceError("INTERNAL", "An entry of the ledger was gone once it was written.");
  return entry;
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
