/** How bad an incident is: from how far its worst crossing is from routine, and how many series are involved. */
import type { Severity } from "#contracts/incident.ts";
import type { Crossing } from "#contracts/ml.ts";
import type { CoordinatorConfig } from "./config.ts";

export type SeverityLimits = Pick<
  CoordinatorConfig["incidents"],
  "mediumDistance" | "highDistance" | "mediumSeries" | "highSeries"
>;

/** Distance from what was expected, in spreads; 0 when there is no scale: a constant before. */
export function distanceOf(crossing: Crossing): number {
  if (crossing.spread <= 0) return 0;
  return Math.abs(crossing.value - crossing.expected) / crossing.spread;
}

export function severityOf(distance: number, seriesCount: number, limits: SeverityLimits): Severity {
  if (distance >= limits.highDistance || seriesCount >= limits.highSeries) return "high";
  if (distance >= limits.mediumDistance || seriesCount >= limits.mediumSeries) return "medium";
  return "low";
}
