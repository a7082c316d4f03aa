/** Whether databases can be used, as their latest use says. Runs no statement while all is well. */
import { CompiledQuery } from "kysely";
import type { Clock } from "#core/clock.ts";
import { isServiceError } from "#core/service-error.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Database } from "./database.ts";

export interface StorageHealth {
  /** The same database, whose failures count from now on. */
  watch(name: string, database: Database): Database;
  /** Why one of them cannot be used; undefined while all can. */
  failure(): string | undefined;
  close(): void;
}

/** One that failed is tried again this often until it answers: without calls nothing else would tell that it is back. */
const PROBE_MS = 1_000;

/** Changes nothing; as a write it needs the lock and the log, not only the file. */
const PROBE = CompiledQuery.raw("select 1");

export function createStorageHealth(clock: Clock, log: Logger): StorageHealth {
  const failures = new Map<string, string>();
  const probes = new Map<string, () => void>();
  let closed = false;

  const works = (name: string) => {
    if (!failures.delete(name)) return;
    probes.get(name)?.();
    log.info({ database: name }, "a database can be used again");
  };
  const fails = (name: string, database: Database, error: unknown) => {
    if (closed || !isServiceError(error) || error.code !== "STORAGE") return;
    if (!failures.has(name)) log.error({ database: name, error }, "a database cannot be used");
    failures.set(name, error.message);
    probes.get(name)?.();
    probes.set(
      name,
      clock.after(PROBE_MS, () => void writing(name, database, database.write([PROBE])).catch(() => {})),
    );
  };
  const noting = async <T>(name: string, database: Database, work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      fails(name, database, error);
      throw error;
    }
  };
  /** Only a write says that all is well: a full or locked database can still be read. */
  const writing = async <T>(name: string, database: Database, work: Promise<T>): Promise<T> => {
    const result = await noting(name, database, work);
    if (failures.size > 0) works(name);
    return result;
  };

  return {
    watch: (name, database) => ({
      dialect: database.dialect,
      get statementCount() {
        return database.statementCount;
      },
      read: (query) => noting(name, database, database.read(query)),
      write: (statements) => writing(name, database, database.write(statements)),
      close: () => database.close(),
    }),
    failure: () => failures.values().next().value,
    close() {
      closed = true;
      for (const cancel of probes.values()) cancel();
    },
  };
}
