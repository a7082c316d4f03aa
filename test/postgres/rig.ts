import { randomBytes } from "node:crypto";
import { CompiledQuery } from "kysely";
import { inject } from "vitest";
import type { ServiceError } from "#core/service-error.ts";
import type { Database } from "#runtime/storage/database.ts";
import { openPostgres, type PostgresOptions } from "#runtime/storage/postgres.ts";
import { addressOf, onDatabase } from "./server.ts";

/** The URL of the run's database, with a password that must never be shown. */
export function databaseUrl(): string {
  const url = new URL(inject("postgresUrl") ?? "");
  url.password = "s3cret";
  return url.href;
}

export interface Rig {
  readonly schema: string;
  open(options?: Partial<PostgresOptions>): Promise<Database>;
  close(): Promise<void>;
}

/** Handles on a schema of their own, with a table `rows (id, body)` in it. */
export async function createRig(): Promise<Rig> {
  const schema = `faults_${randomBytes(6).toString("hex")}`;
  const opened: Database[] = [];
  const open = async (options: Partial<PostgresOptions> = {}) => {
    const url = options.url ?? databaseUrl();
    const db = await openPostgres({ url, address: addressOf(url), schema, ...options });
    opened.push(db);
    return db;
  };
  const first = await open();
  await first.write([statement("create table rows (id bigint primary key, body text)")]);
  return {
    schema,
    open,
    async close() {
      for (const db of opened) await db.close();
      await onDatabase(databaseUrl(), `drop schema if exists ${schema} cascade`);
    },
  };
}

export const statement = (text: string, ...parameters: unknown[]) => CompiledQuery.raw(text, parameters);
export const insert = (id: number) => statement("insert into rows values ($1, 'x')", id);
export const idsOf = async (db: Database) =>
  (await db.read<{ id: number }>(CompiledQuery.raw("select id from rows order by id"))).map(({ id }) => id);

export async function failureOf(work: Promise<unknown>): Promise<ServiceError | undefined> {
  return work.then(
    () => undefined,
    (error: unknown) => error as ServiceError,
  );
}
