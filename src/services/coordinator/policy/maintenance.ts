import type { Maintenance } from "#contracts/policy.ts";
import type { ActionRecord } from "../action.ts";
import { globPattern } from "../glob.ts";

/** That a date can tell. */
const LATEST_MS = 8.64e15;

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

/** Why an action must not be begun now, in a sentence; undefined when there is no maintenance, or no risk. */
export function heldByMaintenance(
  { target, risk }: Pick<ActionRecord, "target" | "risk">,
  maintenances: readonly Maintenance[],
  nowMs: number,
): string | undefined {
  const found = risk === "none" ? undefined : maintenanceOf(maintenances, target, nowMs);
  if (found === undefined) return undefined;
  const until = found.toMs > LATEST_MS ? "" : ` until ${new Date(found.toMs).toISOString()}`;
  return `There is maintenance of ${found.target} (${found.id})${until}.`;
}
