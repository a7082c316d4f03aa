import { CompiledQuery } from "kysely";
import { expect, it } from "vitest";
import { createShardEpochs, shardsSchema } from "#runtime/storage/shard-epochs.ts";
import type { Schema } from "#runtime/storage/migration.ts";
import type { StoreRig } from "./store-suite.ts";

const log: Schema = {
  owner: "log",
  migrations: [
    {
      version: 1,
      oldestCompatible: 1,
      statements: (builder) => [
        builder.schema.createTable("log").addColumn("place", "integer").addColumn("epoch", "integer").compile(),
      ],
    },
  ],
};

export function describeShardEpochs(rig: StoreRig): void {
  // A table has no order of its own. Under the guard of one epoch writes may share a place; those of two may not.
  const append = (epoch: number) =>
    CompiledQuery.raw(`insert into log (place, epoch) select coalesce(max(place), 0) + 1, ${epoch} from log`);

  it("gives each claim a higher epoch, shard by shard", async () => {
    const epochs = createShardEpochs(await rig.open([shardsSchema]));
    const all = Array.from({ length: 256 }, (_, shard) => shard);
    expect(new Set((await epochs.claim("ml", all, "a")).values())).toEqual(new Set([1]));
    expect(await epochs.claim("ml", [3, 5], "b")).toEqual(
      new Map([
        [3, 2],
        [5, 2],
      ]),
    );
    expect(await epochs.claim("state", [3], "b")).toEqual(new Map([[3, 1]]));
    expect(await epochs.claim("ml", [], "b")).toEqual(new Map());
  });

  // A paused process that wakes after its shard has moved still believes that it is the owner.
  it("writes nothing for an owner that was replaced", async () => {
    const epochs = createShardEpochs(await rig.open([shardsSchema, log]));
    const old = { service: "ml", shard: 7, epoch: (await epochs.claim("ml", [7], "a")).get(7) ?? 0 };
    expect((await epochs.write(old, [append(1)])).length).toBe(1);
    const other = createShardEpochs(await rig.open());
    await other.claim("ml", [7], "b");
    await expect(epochs.write(old, [append(1)])).rejects.toMatchObject({ code: "NOT_OWNER", started: "no" });
    await expect(epochs.write({ ...old, shard: 8 }, [append(1)])).rejects.toMatchObject({ code: "NOT_OWNER" });
  });

  // Fencing is only worth something when no old write can slip in between the claim and the new owner's first write.
  it("keeps the log of a shard in order of epochs while owners chase each other", async () => {
    const handles = await Promise.all([rig.open([shardsSchema, log]), rig.open(), rig.open()]);
    await Promise.all(
      handles.map(async (db, i) => {
        const epochs = createShardEpochs(db);
        for (let round = 0; round < 10; round++) {
          const epoch = (await epochs.claim("ml", [0], `p${i}`)).get(0) ?? 0;
          const writes = Array.from({ length: 5 }, () =>
            epochs.write({ service: "ml", shard: 0, epoch }, [append(epoch)]),
          );
          await Promise.allSettled(writes);
        }
      }),
    );
    const rows = await handles[0].read<{ epoch: number }>(CompiledQuery.raw("select epoch from log order by place"));
    const written = rows.map((row) => row.epoch);
    expect(written).toEqual([...written].sort((a, b) => a - b));
    expect(written.length).toBeGreaterThan(0);
  });

  it("counts refusals in the caller's own statements", async () => {
    const epochs = createShardEpochs(await rig.open([shardsSchema, log]));
    const epoch = (await epochs.claim("ml", [0], "a")).get(0) ?? 0;
    const nothing = { query: CompiledQuery.raw("delete from log where epoch = -1"), expectRows: 1 };
    await expect(epochs.write({ service: "ml", shard: 0, epoch }, [append(1), nothing])).rejects.toMatchObject({
      name: "WriteRefused",
      index: 1,
    });
  });
}
