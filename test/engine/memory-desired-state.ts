import * as row from "#runtime/engine/desired-row.ts";
import type { DesiredState } from "#runtime/engine/desired-state.ts";

/** Desired state without a database. */
export function createMemoryDesiredState(): DesiredState {
  const rows = new Map<string, row.DesiredRow>();
  const change = (host: string, how: row.Change): row.DesiredRow => {
    const present = rows.get(host) ?? row.ABSENT;
    const next = how(present);
    if (next !== present) rows.set(host, { ...next, revision: present.revision + 1 });
    return rows.get(host) ?? present;
  };
  const nowMs = () => Date.now();
  return {
    list: async () => [...rows.values()].filter(({ spec }) => spec !== undefined).map(row.toDesired),
    put: async (spec) => row.toDesired(change(spec.name, row.put(spec, nowMs()))),
    async remove(host) {
      change(host, row.remove(nowMs()));
    },
    async giveUp(mine, former) {
      const changed = change(mine.spec.name, row.giveUp(mine, former, nowMs()));
      return changed.spec === undefined ? undefined : row.toDesired(changed);
    },
    scale: async (host, replicas) => row.toDesired(change(host, row.scale(host, replicas))),
    restart: async (host) => row.toDesired(change(host, row.restart(host))),
    rollBack: async (host) => row.toDesired(change(host, row.rollBack(host))),
    startRollout: async (host, toNext, plan) => row.toDesired(change(host, row.startRollout(host, toNext, plan))),
    async changeRollout(host, how) {
      const changed = change(host, row.changeRollout(how));
      return changed.spec === undefined ? undefined : row.toDesired(changed);
    },
  };
}
