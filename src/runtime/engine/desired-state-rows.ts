import type { CompiledQuery } from "kysely";
import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import { createBuilder } from "../storage/builder.ts";
import { type Database, expecting, WriteRefused } from "../storage/database.ts";
import type { Schema } from "../storage/migration.ts";
import * as row from "./desired-row.ts";
import type { DesiredState } from "./desired-state.ts";
import { HostSpec } from "./host-spec.ts";
import { Rollout } from "./rollout.ts";

interface Tables {
  /** A removed host keeps its row, without a spec, so that its generations never repeat. */
  desired_hosts: {
    name: string;
    spec: string | null;
    generation: number;
    revision: number;
    rollout: string | null;
    previous: string | null;
  };
}

export const desiredStateSchema: Schema = {
  owner: "desired-state",
  migrations: [
    {
      version: 1,
      oldestCompatible: 1,
      statements: (builder) => [
        builder.schema
          .createTable("desired_hosts")
          .addColumn("name", "text", (column) => column.primaryKey())
          .addColumn("spec", "text")
          .addColumn("generation", "integer", (column) => column.notNull())
          .addColumn("revision", "integer", (column) => column.notNull())
          .compile(),
      ],
    },
    {
      version: 2,
      oldestCompatible: 1,
      statements: (builder) => [builder.schema.alterTable("desired_hosts").addColumn("rollout", "text").compile()],
    },
    {
      version: 3,
      oldestCompatible: 1,
      statements: (builder) => [builder.schema.alterTable("desired_hosts").addColumn("previous", "text").compile()],
    },
  ],
};

/** More conflicts in a row than this are no chance any more. */
const MAX_ATTEMPTS = 50;

export function createDesiredState(db: Database, clock: Pick<Clock, "now">): DesiredState {
  const builder = createBuilder<Tables>(db.dialect);

  const read = async (name: string): Promise<row.DesiredRow> => {
    const query = builder.selectFrom("desired_hosts").selectAll().where("name", "=", name).compile();
    const [stored] = await db.read(query);
    return stored === undefined ? row.ABSENT : fromStored(stored);
  };

  const store = async (
    name: string,
    from: row.DesiredRow,
    to: row.DesiredRow,
    also: readonly CompiledQuery[],
  ): Promise<void> => {
    const values = {
      spec: to.spec === undefined ? null : JSON.stringify(to.spec),
      generation: to.generation,
      revision: from.revision + 1,
      rollout: to.rollout === undefined ? null : JSON.stringify(to.rollout),
      previous: to.previous === undefined ? null : JSON.stringify(to.previous),
    };
    const query =
      from === row.ABSENT
        ? builder
            .insertInto("desired_hosts")
            .values({ name, ...values })
            .onConflict((conflict) => conflict.column("name").doNothing())
        : builder
            .updateTable("desired_hosts")
            .set(values)
            .where("name", "=", name)
            .where("revision", "=", from.revision);
    await db.write([expecting(query.compile()), ...also]);
  };

  /** Compare and set: repeated on the new row when someone else was faster. */
  const change = async (
    name: string,
    how: row.Change,
    also: readonly CompiledQuery[] = [],
  ): Promise<row.DesiredRow> => {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const present = await read(name);
      const next = how(present);
      if (next === present) return present;
      try {
        await store(name, present, next, also);
        return { ...next, revision: present.revision + 1 };
      } catch (error) {
        if (!(error instanceof WriteRefused)) throw error;
      }
    }
    throw new ServiceError("CONFLICT", `The host "${name}" was changed by others ${MAX_ATTEMPTS} times in a row.`, {
      started: "no",
    });
  };

  return {
    async list() {
      const rows = await db.read(
        builder.selectFrom("desired_hosts").selectAll().where("spec", "is not", null).orderBy("name").compile(),
      );
      return rows.map((stored) => row.toDesired(fromStored(stored)));
    },
    put: async (spec, also) => row.toDesired(await change(spec.name, row.put(spec, clock.now()), also)),
    async remove(host) {
      await change(host, row.remove(clock.now()));
    },
    async giveUp(mine, former) {
      const changed = await change(mine.spec.name, row.giveUp(mine, former, clock.now()));
      return changed.spec === undefined ? undefined : row.toDesired(changed);
    },
    scale: async (host, replicas, also) => row.toDesired(await change(host, row.scale(host, replicas), also)),
    restart: async (host, also) => row.toDesired(await change(host, row.restart(host), also)),
    rollBack: async (host, also) => row.toDesired(await change(host, row.rollBack(host), also)),
    startRollout: async (host, toNext, plan, also) =>
      row.toDesired(await change(host, row.startRollout(host, toNext, plan), also)),
    async changeRollout(host, how, also) {
      const changed = await change(host, row.changeRollout(how), also);
      return changed.spec === undefined ? undefined : row.toDesired(changed);
    },
  };
}

/** Versions run side by side: fields that an older one did not write get their defaults, those of a newer one are left out. */
const StoredSpec = HostSpec.strip();

function fromStored({ spec, generation, revision, rollout, previous }: Tables["desired_hosts"]): row.DesiredRow {
  return {
    spec: spec === null ? undefined : StoredSpec.parse(JSON.parse(spec)),
    generation,
    revision,
    rollout: rollout === null ? undefined : Rollout.parse(JSON.parse(rollout)),
    previous: previous === null ? undefined : StoredSpec.parse(JSON.parse(previous)),
  };
}
