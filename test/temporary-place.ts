/** Where the databases of one test are: a folder for SQLite, or, in the project "postgres", schemas of the run's database. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";
import { onDatabase } from "./postgres/server.ts";

export interface Place {
  /** For `createDatabases`. */
  readonly url: string;
  readonly namespace: string;
}

export async function temporaryPlace(): Promise<Place & { remove(): Promise<void> }> {
  const url = inject("postgresUrl");
  if (url === undefined) {
    const folder = await mkdtemp(join(tmpdir(), "seedcore-place-"));
    return { url: `sqlite:${folder}`, namespace: "test", remove: () => rm(folder, { recursive: true, force: true }) };
  }
  const namespace = `test-${randomBytes(6).toString("hex")}`;
  const remove = () =>
    onDatabase(
      url,
      `do $$ declare s text; begin
         for s in select nspname from pg_namespace where starts_with(nspname, '${namespace}__') loop
           execute format('drop schema %I cascade', s);
         end loop;
       end $$`,
    );
  return { url, namespace, remove };
}
