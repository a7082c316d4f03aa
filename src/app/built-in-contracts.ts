/** The contracts of the services that every organism has. */
import { cognitive } from "#contracts/cognitive.ts";
import { coordinator } from "#contracts/coordinator.ts";
import { energy } from "#contracts/energy.ts";
import { ml } from "#contracts/ml.ts";
import { organism } from "#contracts/organism.ts";
import { state } from "#contracts/state.ts";
import { telemetry } from "#contracts/telemetry.ts";

export const BUILT_IN_CONTRACTS = { cognitive, coordinator, energy, ml, organism, state, telemetry } as const;

export type BuiltInContracts = typeof BUILT_IN_CONTRACTS;
