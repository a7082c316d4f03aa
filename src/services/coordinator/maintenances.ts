/** The times of maintenance that are now or to come, in memory as they are on the disk. */
import type { Maintenance } from "#contracts/policy.ts";
import type { Clock } from "#core/clock.ts";
import type { Ids } from "#core/ids.ts";
import type { ActionStore } from "./action-store.ts";
import type { OwnedWrite } from "./owned-write.ts";

export interface MaintenancesDeps {
  readonly store: Pick<ActionStore, "maintenances" | "putMaintenance" | "removeMaintenance">;
  readonly write: OwnedWrite;
  /** In turn, as reading anew is: what was read before must not replace what was added or removed. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  readonly clock: Pick<Clock, "now">;
  readonly ids: Ids;
}

export interface Maintenances {
  /** As last read: some may be over since. */
  all(): readonly Maintenance[];
  add(epoch: number, maintenance: Omit<Maintenance, "id">): Promise<Maintenance>;
  /** Whether there was one. */
  remove(epoch: number, id: string): Promise<boolean>;
  /** Reads what is stored: another process may have changed it. */
  read(): Promise<void>;
}

export function createMaintenances({ store, write, inTurn, clock, ids }: MaintenancesDeps): Maintenances {
  let maintenances: readonly Maintenance[] = [];

  async function read(): Promise<void> {
    maintenances = await store.maintenances(clock.now());
  }

  return {
    all: () => maintenances,

    async add(epoch, maintenance) {
      const added = { ...maintenance, id: ids.next("mnt") };
      return inTurn(async () => {
        await write(epoch, [store.putMaintenance(added)]);
        await read();
        return added;
      });
    },

    async remove(epoch, id) {
      return inTurn(async () => {
        const [removed] = await write(epoch, [store.removeMaintenance(id)]);
        await read();
        return (removed?.rowCount ?? 0) > 0;
      });
    },

    read,
  };
}
