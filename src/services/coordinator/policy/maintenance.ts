import type { Maintenance } from "#contracts/coordinator.ts";
import { globPattern } from "../glob.ts";

/** The time of maintenance that a target is in, if any. */
export function maintenanceOf(
  maintenances: readonly Maintenance[],
  target: string,
  nowMs: number,
): Maintenance | undefined {
  return maintenances.find(
    (one) => one.fromMs <= nowMs && nowMs < one.toMs && (one.target === "*" || globPattern(one.target).test(target)),
  );
}
