import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe } from "vitest";
import type { Database } from "#runtime/storage/database.ts";
import { openSqlite } from "#runtime/storage/sqlite.ts";
import { describeMlCheckpoints } from "#testing/ml-checkpoint-suite.ts";

describe("checkpoints of two versions, on SQLite", () => {
  let directory: string;
  let db: Database;
  describeMlCheckpoints(async () => {
    directory = await mkdtemp(join(tmpdir(), "seedcore-ml-"));
    db = await openSqlite({ file: join(directory, "points.db") });
    return db;
  });
  afterAll(async () => {
    await db.close();
    await rm(directory, { recursive: true });
  });
});
