import { constants } from "node:fs";
import { access, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import { type Logger, silentLogger } from "../telemetry/logger.ts";
import type { Database } from "./database.ts";
import { toDatabasePlace, toSchemaName } from "./database-url.ts";
import { migrate } from "./migrate.ts";
import type { Schema } from "./migration.ts";
import { openSqlite } from "./sqlite.ts";
import { createStorageHealth } from "./storage-health.ts";

/** The databases of one process: one handle per name, however many services ask for it. */
export interface Databases {
  /**
   * The database `name`, its tables migrated to `schemas`.
   * @throws ServiceError STORAGE when the directory, the file or the server cannot be used, or its tables are too new
   *   for this code.
   */
  open(name: string, schemas: readonly Schema[]): Promise<Database>;
  /** Statements run through all handles since the start. */
  statementCount(): number;
  /** Why one of them cannot be used at present; undefined while all can. */
  failure(): string | undefined;
  /** Finishes what was asked for and closes every handle. */
  close(): Promise<void>;
}

/**
 * @param url `sqlite:<directory>`, made when absent, where each database is a file `<name>.db`; or
 *   `postgres://user:password@host:port/database`, where each is a schema `<namespace>__<name>`
 * @param namespace of the organism, which keeps those that share a server apart
 */
export function createDatabases(url: string, clock: Clock, namespace: string, log: Logger = silentLogger): Databases {
  const place = toDatabasePlace(url);
  const openOne =
    place.dialect === "postgres" ? postgresOpener(url, place.address, namespace) : sqliteOpener(place.directory, log);
  const handles = new Map<string, Promise<Database>>();
  const opened: Database[] = [];
  const health = createStorageHealth(clock, log);

  const handle = (name: string): Promise<Database> => {
    const known = handles.get(name);
    if (known !== undefined) return known;
    const opening = openOne(name).then((database) => health.watch(name, database));
    handles.set(name, opening);
    // A failure is told to who asked; the next one tries again, since the disk may have been put right.
    opening.then(
      (db) => opened.push(db),
      () => handles.delete(name),
    );
    return opening;
  };

  return {
    async open(name, schemas) {
      if (!/^[a-z][a-z0-9-]*$/.test(name)) {
        throw new TypeError(`"${name}" cannot be a database's name: use lower-case letters, digits and "-".`);
      }
      const db = await handle(name);
      await migrate(db, schemas, clock);
      return db;
    },
    statementCount: () => opened.reduce((sum, { statementCount }) => sum + statementCount, 0),
    failure: () => health.failure(),
    async close() {
      health.close();
      const open = [...handles.values()];
      handles.clear();
      for (const result of await Promise.allSettled(open)) {
        if (result.status === "fulfilled") await result.value.close();
      }
    },
  };
}

/** For a host of a person's own services. */
export const NO_DATABASES: Databases = {
  async open() {
    throw new ServiceError("STORAGE", "This host has no database: a person's own services get procedures instead.");
  },
  statementCount: () => 0,
  failure: () => undefined,
  async close() {},
};

type Opener = (name: string) => Promise<Database>;

function sqliteOpener(directory: string, log: Logger): Opener {
  return async (name) => {
    await prepareDirectory(directory);
    const file = join(directory, `${name}.db`);
    const onThreadDied = (error: ServiceError) =>
      log.error({ error, file }, "a database is opened again at its next use");
    return openSqlite({ file, onThreadDied });
  };
}

function postgresOpener(url: string, address: string, namespace: string): Opener {
  return async (name) => {
    // The driver is loaded by those who need it.
    const { openPostgres } = await import("./postgres.ts");
    return openPostgres({ url, address, schema: toSchemaName(namespace, name) });
  };
}

/** Says in words what is wrong with a data directory before SQLite says "unable to open database file". */
async function prepareDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    throw new ServiceError(
      "STORAGE",
      `The data directory ${directory} cannot be used: ${REASONS[code] ?? (error as Error).message}. ` +
        "Choose another one, or correct it, and start again.",
      { cause: error, data: { reason: "directory", directory } },
    );
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "this user may not write there (EACCES)",
  EPERM: "this user may not write there (EPERM)",
  EROFS: "its disk is mounted read-only (EROFS)",
  ENOSPC: "its disk is full (ENOSPC)",
  EEXIST: "it is a file, not a directory (EEXIST)",
  ENOTDIR: "a part of the path is a file, not a directory (ENOTDIR)",
};
