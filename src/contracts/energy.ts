/**
 * energy: how far the organism is from rest, which term is to blame, and what each action changed. Dimensionless; lower is
 * better, ΔE < 0 is progress, everywhere.
 */
import { z } from "zod";
import { defineContract, procedure } from "#core/contract.ts";

/** Larger ones would make sums overflow. */
const Amount = z.number().min(-1e6).max(1e6);

/** What the energy is of. Every list has one entry an agent. */
export const UnifiedState = z.object({
  /** What each agent can do, by skill: rows of equal length. */
  h: z.array(z.array(Amount).max(10_000)).max(2_000),
  /** Shares of the roles E, S and O of each agent. */
  p: z.array(z.array(z.number().min(0).max(1)).length(3)).max(2_000),
  /** Affinity of each pair of agents, symmetric or not; all equal when left out. */
  w: z.array(z.array(Amount)).max(2_000).optional(),
  /** Work that is wanted by skill and not done, and the like: its square is what an organism at rest has none of. */
  s: z.array(Amount).max(10_000).default([]),
  /** Of what is not routine: one entry an open incident, its severity weight. */
  anomalies: z.array(Amount.nonnegative()).max(10_000).default([]),
  /** Mean drift statistic of the watched series, 0 and above; left out where nobody measures it. */
  drift: Amount.nonnegative().optional(),
  /** What is being spent: actions under way. */
  cost: Amount.nonnegative().default(0),
  /** Energies of the patterns selected, with their weights; left out where nobody selects any. */
  patterns: z.array(z.object({ weight: Amount, value: Amount })).optional(),
});
export type UnifiedState = z.output<typeof UnifiedState>;

/** A term of what the state leaves out is left out, too. */
export const EnergyTerms = z.object({
  pair: z.number(),
  patterns: z.number().optional(),
  entropy: z.number(),
  regularity: z.number(),
  cost: z.number(),
  drift: z.number().optional(),
  anomaly: z.number(),
});
export type EnergyTerms = z.output<typeof EnergyTerms>;

export const Energy = z.object({
  /** The sum of the terms. */
  total: z.number(),
  terms: EnergyTerms,
});
export type Energy = z.output<typeof Energy>;

export const LedgerEntry = z.object({
  actionId: z.string(),
  skill: z.string(),
  target: z.string(),
  /** The incident it is about: of anomalies `before` and `after` count this one alone. Null where none was named: all count. */
  incidentId: z.string().nullable(),
  predictedDeltaE: z.number().nullable(),
  /** Before it was corrected by what was measured of this skill. */
  rawDeltaE: z.number().nullable(),
  /** Null until it is settled. */
  measuredDeltaE: z.number().nullable(),
  before: Energy,
  after: Energy.nullable(),
  openedAtMs: z.number(),
  settledAtMs: z.number().nullable(),
});
export type LedgerEntry = z.output<typeof LedgerEntry>;

const UNKNOWN_ENTRY = z.object({ actionId: z.string() });

export const energy = defineContract("energy", {
  summary: "How far the organism is from rest, by which term, and what each action changed. Lower is better.",
  state: "none",
  procedures: {
    evaluate: procedure({
      summary: "The energy of a state that is given, with its gradient when asked for.",
      method: "POST",
      path: "/evaluate",
      scope: "read",
      idempotent: true,
      input: z.object({ state: UnifiedState, includeGradient: z.boolean().default(false) }),
      output: Energy.extend({
        gradient: z
          .object({ h: z.array(z.array(z.number())), p: z.array(z.array(z.number())), s: z.array(z.number()) })
          .optional(),
      }),
      errors: { BAD_STATE: z.object({ problem: z.string() }) },
    }),
    current: procedure({
      summary: "The energy of the organism as it is now.",
      method: "GET",
      path: "/current",
      input: z.object({}),
      output: Energy.extend({ takenAtMs: z.number(), agents: z.int(), openIncidents: z.int() }),
    }),
    predict: procedure({
      summary:
        "The ΔE that is expected of an action on an incident: what its end would take away, corrected by what the ledger has measured of the skill.",
      method: "POST",
      path: "/predict",
      scope: "read",
      idempotent: true,
      input: z.object({
        /** What is done; left out, nothing is corrected. */
        skill: z.string().max(100).optional(),
        /** The incident's severity. */
        severity: z.enum(["low", "medium", "high"]),
        /** That it helps, 0 to 1. */
        chance: z.number().min(0).max(1),
      }),
      output: z.object({
        deltaE: z.number(),
        /** Before correction. */
        rawDeltaE: z.number(),
        /** Which that is multiplied by. */
        correction: z.number(),
      }),
    }),
    openEntry: procedure({
      summary: "Takes the energy before an action. Repeating it changes nothing.",
      method: "PUT",
      path: "/ledger/{actionId}",
      input: z.object({
        actionId: z.string().min(1).max(200),
        skill: z.string().max(100),
        target: z.string().max(200),
        incidentId: z.string().max(200).optional(),
        predictedDeltaE: Amount.nullable(),
        /** Before correction; the same when left out. */
        rawDeltaE: Amount.nullish(),
      }),
      output: LedgerEntry,
    }),
    settleEntry: procedure({
      summary: "Takes the energy after an action. Repeating it changes nothing.",
      method: "PUT",
      path: "/ledger/{actionId}/after",
      input: z.object({ actionId: z.string().min(1).max(200) }),
      output: LedgerEntry,
      errors: { UNKNOWN_ENTRY },
    }),
    ledger: procedure({
      summary: "Actions with their predicted and measured ΔE, newest first, and how well the predictions did.",
      method: "GET",
      path: "/ledger",
      input: z.object({ limit: z.coerce.number().int().min(1).max(1_000).default(50) }),
      output: z.object({
        entries: z.array(LedgerEntry),
        total: z.int(),
        /** Over the settled ones of the newest 1,000: mean of measured less predicted, and mean of its size; null without any. */
        bias: z.number().nullable(),
        meanError: z.number().nullable(),
        /** What the next prediction of each of their skills is multiplied by. */
        corrections: z.record(z.string(), z.number()),
      }),
    }),
  },
});
