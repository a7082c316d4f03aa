/** Series of which nobody wants to hear for a time: what they do opens no incident and tells nobody. */
import type { Kysely } from "kysely";
import type { Silence } from "#contracts/policy.ts";
import type { Crossing } from "#contracts/ml.ts";
import type { Clock } from "#core/clock.ts";
import type { Ids } from "#core/ids.ts";
import type { Database } from "#runtime/storage/database.ts";
import { globPattern } from "./glob.ts";
import { seriesKey } from "./incident.ts";
import type { OwnedWrite } from "./owned-write.ts";
import type { Tables } from "./schema.ts";

export interface Silences {
  /** Those that are now or to come. */
  list(): Promise<Silence[]>;
  add(epoch: number, silence: Omit<Silence, "id">): Promise<Silence>;
  /** Whether there was one. */
  remove(epoch: number, id: string): Promise<boolean>;
  /** Of those of now, read once: until when those of a crossing's series last; undefined when there is none. */
  now(): Promise<(crossing: Crossing) => number | undefined>;
}

export function createSilences(deps: {
  readonly db: Database;
  readonly q: Kysely<Tables>;
  readonly write: OwnedWrite;
  readonly clock: Clock;
  readonly ids: Ids;
}): Silences {
  const { db, q, write, clock, ids } = deps;

  async function list(): Promise<Silence[]> {
    const query = q.selectFrom("coordinator_silences").selectAll().where("to_ms", ">", clock.now());
    const rows = await db.read(query.orderBy("from_ms").orderBy("id").compile());
    return rows.map(({ id, series, from_ms: fromMs, to_ms: toMs, reason }) => ({ id, series, fromMs, toMs, reason }));
  }

  return {
    list,

    async add(epoch, silence) {
      const added = { ...silence, id: ids.next("sil") };
      const { id, series, fromMs, toMs, reason } = added;
      const row = { id, series, from_ms: fromMs, to_ms: toMs, reason };
      await write(epoch, [q.insertInto("coordinator_silences").values(row).compile()]);
      return added;
    },

    async remove(epoch, id) {
      const query = q.deleteFrom("coordinator_silences").where("id", "=", id);
      const [removed] = await write(epoch, [query.compile()]);
      return (removed?.rowCount ?? 0) > 0;
    },

    async now() {
      const nowMs = clock.now();
      const silences = (await list())
        .filter(({ fromMs }) => fromMs <= nowMs)
        .map(({ series, toMs }) => ({ pattern: globPattern(series), toMs }));
      return (crossing) => {
        const key = seriesKey(crossing);
        const ends = silences.filter(({ pattern }) => pattern.test(key)).map(({ toMs }) => toMs);
        return ends.length === 0 ? undefined : Math.max(...ends);
      };
    },
  };
}
