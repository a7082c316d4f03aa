/** The contracts of the services that every organism has. */
import { coordinator } from "#contracts/coordinator.ts";
import { ml } from "#contracts/ml.ts";
import { organism } from "#contracts/organism.ts";
import { state } from "#contracts/state.ts";
import { telemetry } from "#contracts/telemetry.ts";

export const BUILT_IN_CONTRACTS = { coordinator, ml, organism, state, telemetry } as const;

export type BuiltInContracts = typeof BUILT_IN_CONTRACTS;
