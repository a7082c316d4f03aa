import { CompiledQuery } from "kysely";
import { expect, it } from "vitest";
import { ServiceError } from "#core/service-error.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { type Database, WriteRefused } from "./database.ts";
import { createStorageHealth } from "./storage-health.ts";

const QUERY = CompiledQuery.raw("select 1");

/** Fails every use with what it is given. */
function openFake(): { error: Error | undefined; uses: number; readonly database: Database } {
  const fake = {
    error: undefined as Error | undefined,
    uses: 0,
    database: {
      dialect: "sqlite",
      statementCount: 0,
      read: () => use(),
      write: () => use(),
      close: async () => {},
    } as Database,
  };
  const use = async (): Promise<never[]> => {
    fake.uses++;
    if (fake.error !== undefined) throw fake.error;
    return [];
  };
  return fake;
}

// Without a probe a host that nobody calls would stay unready for ever, and so get no call.
it("a database that failed is tried each second until it answers; one that works is left alone", async () => {
  const clock = createFakeClock();
  const log = createMemoryLogger();
  const health = createStorageHealth(clock, log);
  const fake = openFake();
  const watched = health.watch("a", fake.database);
  await watched.read(QUERY);
  expect(clock.pending).toBe(0);
  fake.error = new ServiceError("STORAGE", "The disk is full.");
  await expect(watched.write([QUERY])).rejects.toBe(fake.error);
  expect(health.failure()).toBe("The disk is full.");
  await clock.advance(1_000);
  await clock.advance(1_000);
  expect(fake.uses).toBe(4);
  fake.error = undefined;
  // A full disk can still be read.
  await watched.read(QUERY);
  expect(health.failure()).toBe("The disk is full.");
  await clock.advance(1_000);
  expect(health.failure()).toBeUndefined();
  expect(clock.pending).toBe(0);
  expect(log.lines.map(({ message }) => message)).toEqual([
    "a database cannot be used",
    "a database can be used again",
  ]);
});

it("a refused write or a wrong statement says nothing about the database", async () => {
  const health = createStorageHealth(createFakeClock(), createMemoryLogger());
  const fake = openFake();
  const watched = health.watch("a", fake.database);
  for (const error of [new WriteRefused(0, 1, 0), new Error("no such table")]) {
    fake.error = error;
    await expect(watched.write([QUERY])).rejects.toBe(error);
    expect(health.failure()).toBeUndefined();
  }
});
