import type { Ids } from "#core/ids.ts";

/** Ids that count: `task_1`, `task_2`, `incident_1` …, each prefix by itself. */
export function createCountingIds(): Ids {
  const counts = new Map<string, number>();
  return {
    next(prefix) {
      const count = (counts.get(prefix) ?? 0) + 1;
      counts.set(prefix, count);
      return `${prefix}_${count}`;
    },
  };
}
