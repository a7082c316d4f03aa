/** A PostgreSQL database of a test's own. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { type DatabasePlace, toDatabasePlace } from "#runtime/storage/database-url.ts";

export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  /** Runs SQL as the server's owner, outside of what is tested. */
  query<R extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<R[]>;
  drop(): Promise<void>;
}

export const NO_SERVER =
  "There is no PostgreSQL server at 127.0.0.1:5432, at /var/run/postgresql, or where DATABASE_URL says.";

/** A server on which databases may be made, or undefined. */
export async function findServer(): Promise<string | undefined> {
  const { DATABASE_URL = "" } = process.env;
  const candidates = [
    ...(DATABASE_URL.startsWith("postgres") ? [DATABASE_URL] : []),
    "postgres://postgres@127.0.0.1:5432/postgres",
    "postgres://postgres@localhost/postgres?host=/var/run/postgresql",
  ];
  for (const url of candidates) {
    const isThere = await onDatabase(url, "select 1").then(
      () => true,
      () => false,
    );
    if (isThere) return url;
  }
  return undefined;
}

/** A fresh, empty database, `seedcore_test_<random>`. */
export async function createTestDatabase(encoding = "UTF8"): Promise<TestDatabase> {
  const server = await findServer();
  if (server === undefined) throw new Error(NO_SERVER);
  const name = `seedcore_test_${randomBytes(6).toString("hex")}`;
  await onDatabase(server, `create database ${name} encoding '${encoding}' template template0`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  return {
    url: url.href,
    name,
    query: async <R extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
      (await client.query<R>(text, values)).rows,
    async drop() {
      await client.end();
      await onDatabase(server, `drop database if exists ${name} with (force)`);
    },
  };
}

/** Runs SQL on a connection of its own. */
export async function onDatabase(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000 });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** `host:port/database` of a URL. */
export function addressOf(url: string): string {
  return (toDatabasePlace(url) as Extract<DatabasePlace, { dialect: "postgres" }>).address;
}
