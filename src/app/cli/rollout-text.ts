/** A rollout in words. */
import type { Rollout } from "#contracts/telemetry.ts";
import { formatDuration } from "#core/duration.ts";
import { formatCount } from "./format.ts";

export function isOver({ state }: Rollout): boolean {
  return state === "finished" || state === "returned";
}

export function describeStep({ host, from, to, state, percent, steps, everyMs, reason }: Rollout): string {
  switch (state) {
    case "starting":
      return `${host}: ${to} starts beside ${from}; then ${steps.join(", ")} % of the calls, ${formatDuration(everyMs)} each`;
    case "step":
      if (percent === 100) return `${host}: all of the calls go to ${to}, while ${from} still stands by`;
      return `${host}: ${percent} % of the calls go to ${to}, the rest to ${from}`;
    case "finished":
      return `${host}: ${to} has all of the calls, and ${from} leaves`;
    case "returned":
      return `${host}: ${to} was taken back, and ${from} has all of the calls: ${reason}`;
  }
}

/** How many calls failed, of each version. */
export function describeFigures({ from, to, old, next }: Rollout): string {
  const rate = ({ calls, errors }: Rollout["old"]) =>
    `${formatCount(errors)} of ${formatCount(calls)} calls failed${calls > 0 ? ` (${((errors / calls) * 100).toFixed(1)} %)` : ""}`;
  return `${to}: ${rate(next)}; ${from}: ${rate(old)}`;
}
