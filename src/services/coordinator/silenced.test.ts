import { expect, it } from "vitest";
import type { Crossing } from "#contracts/ml.ts";
import { createBuilder } from "#runtime/storage/builder.ts";
import type { Database } from "#runtime/storage/database.ts";
import { createCountingIds } from "#testing/counting-ids.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createSilenced } from "./silenced.ts";
import { createSilences } from "./silences.ts";
import type { Tables } from "./schema.ts";

// A silence over a hundred series read the list a hundred times, each minute, while everything else had to wait its turn.
it("reads the silences once, however many crossings they cover", async () => {
  const clock = createFakeClock();
  const row = { id: "sil_1", series: "host/*", from_ms: clock.now(), to_ms: clock.now() + 60_000, reason: "" };
  let reads = 0;
  const db: Database = {
    dialect: "sqlite",
    read: async <Row>() => {
      reads++;
      return [row] as Row[];
    },
    write: async () => [],
    statementCount: 0,
    close: async () => {},
  };
  const q = createBuilder<Tables>("sqlite");
  const silences = createSilences({ db, q, write: async () => [], clock, ids: createCountingIds() });
  const crossings = ["host/cpu", "host/disk", "shop/orders"].map((name) => {
    const [source = "", series = ""] = name.split("/");
    return { id: `${name}@1`, source, series } as Crossing;
  });
  const store = {
    silenced: async () => crossings,
    insertCrossing: () => q.selectFrom("coordinator_silences").compile(),
  };
  const silenced = createSilenced({ store, silences });
  await silenced.read();
  expect(await silenced.over()).toEqual([crossings[2]]);
  expect(reads).toBe(1);
});
