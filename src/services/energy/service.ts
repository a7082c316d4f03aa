/** How far the organism is from rest, and what each action changed. Keeps only the ledger, as rows. */
import { energy, type LedgerEntry } from "#contracts/energy.ts";
import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import { implement, type Service } from "#runtime/service.ts";
import type { Database } from "#runtime/storage/database.ts";
import { type LiveState, RISK_COST, SEVERITY_WEIGHT } from "./live-state.ts";
import { evaluate, gradientOf, problemOf, WEIGHTS } from "./objective.ts";
import type { EnergyStore } from "./store.ts";

export interface EnergyDeps {
  readonly database: Database;
  readonly store: EnergyStore;
  readonly live: () => Promise<LiveState>;
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

      async predict({ severity, chance, risk }) {
        return { deltaE: -chance * SEVERITY_WEIGHT[severity] + WEIGHTS.cost * RISK_COST[risk] };
      },

      async openEntry(entry) {
        const known = await store.get(entry.actionId);
        return known ?? there(await store.open(entry, evaluate((await live()).state), clock.now()));
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
        return there(await store.settle(entry, evaluate((await live()).state), clock.now()));
      },

      async ledger({ limit }) {
        const { entries, total, settled } = await store.list(limit);
        const errors = settled.flatMap(({ predictedDeltaE, measuredDeltaE }) =>
          predictedDeltaE === null || measuredDeltaE === null ? [] : [measuredDeltaE - predictedDeltaE],
        );
        return { entries, total, bias: mean(errors), meanError: mean(errors.map(Math.abs)) };
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
