import { CompiledQuery } from "kysely";
import { Registry } from "prom-client";
import { expect, it } from "vitest";
import { seededRandom } from "#core/random.ts";
import { ServiceError } from "#core/service-error.ts";
import { type Call, currentCall, runInCall } from "#runtime/call.ts";
import type { Database } from "#runtime/storage/database.ts";
import type { Outbox, OutboxMessage } from "#runtime/storage/outbox.ts";
import { outboxSchema } from "#runtime/storage/outbox-schema.ts";
import { createOutbox } from "#runtime/storage/outbox-store.ts";
import { createFakeClock, type FakeClock } from "./fake-clock.ts";
import { createMemoryLogger } from "./memory-logger.ts";
import type { StoreRig } from "./store-suite.ts";

export function describeOutbox(rig: StoreRig): void {
  const create = (db: Database, clock: FakeClock = createFakeClock()) => {
    const log = createMemoryLogger();
    const metrics = new Registry();
    return {
      clock,
      log,
      metrics,
      outbox: createOutbox({ db, owner: "ml", clock, random: seededRandom(1), log, metrics }),
    };
  };
  const message = (id: number, topic = "a"): OutboxMessage => ({ id: `m${id}`, topic, body: { id } });
  const put = async (db: Database, outbox: Outbox, messages: readonly OutboxMessage[]) => {
    await db.write(messages.map((one) => outbox.put(one)));
    outbox.kick();
  };
  const left = (db: Database) => db.read(CompiledQuery.raw("select id from outbox order by seq"));

  /** Moves time on until the condition holds: what is awaited is the database, which no fake clock drives. */
  const until = async (clock: FakeClock, condition: () => boolean | Promise<boolean>) => {
    while (!(await condition())) await clock.advance(100);
  };
  const isEmpty = (db: Database) => async () => (await left(db)).length === 0;

  it("delivers in order per topic, each once while nothing fails, and forgets what is delivered", async () => {
    const db = await rig.open([outboxSchema]);
    const { outbox, clock } = create(db);
    const got: Record<string, string[]> = { a: [], b: [] };
    for (const topic of ["a", "b"]) outbox.deliver(topic, async ({ id }) => void got[topic]?.push(id));
    await outbox.start();
    const numbers = Array.from({ length: 150 }, (_, i) => i);
    await Promise.all(numbers.map((i) => put(db, outbox, [message(i, i % 2 === 0 ? "a" : "b")])));
    await until(clock, isEmpty(db));
    expect(got["a"]).toEqual(numbers.filter((i) => i % 2 === 0).map((i) => `m${i}`));
    expect(got["b"]).toEqual(numbers.filter((i) => i % 2 === 1).map((i) => `m${i}`));
    await outbox.close();
  });

  it("delivers what a refused write put: nothing", async () => {
    const db = await rig.open([outboxSchema]);
    const { outbox, clock } = create(db);
    const got: string[] = [];
    outbox.deliver("a", async ({ id }) => void got.push(id));
    await outbox.start();
    const refused = { query: CompiledQuery.raw("delete from outbox where seq = -1"), expectRows: 1 };
    await expect(db.write([outbox.put(message(1)), refused])).rejects.toThrow(/expected/);
    await put(db, outbox, [message(2)]);
    await until(clock, isEmpty(db));
    expect(got).toEqual(["m2"]);
    await outbox.close();
  });

  it("stores a message once, however often it is put", async () => {
    const db = await rig.open([outboxSchema]);
    const { outbox } = create(db);
    await put(db, outbox, [message(1), message(1), { ...message(1), body: "other" }]);
    expect(await left(db)).toEqual([{ id: "m1" }]);
  });

  it("delivers at its start what an earlier process left", async () => {
    const db = await rig.open([outboxSchema]);
    await put(db, create(db).outbox, [message(1), message(2, "nobody")]);
    const { outbox, clock, log } = create(db);
    const got: string[] = [];
    outbox.deliver("a", async ({ id }) => void got.push(id));
    await outbox.start();
    await until(clock, async () => (await left(db)).length === 1);
    expect(got).toEqual(["m1"]);
    expect(log.lines).toMatchObject([{ level: "warn", fields: { topic: "nobody", messages: 1 } }]);
    await outbox.close();
  });

  // kill -9 between the receiver's answer and the deletion: the message must come again, and none may be lost.
  it("delivers again what a process delivered but could not delete before it died", async () => {
    const db = await rig.open([outboxSchema]);
    const got: string[] = [];
    const dying: Database = {
      ...handleOf(db),
      write: (statements) =>
        statements.some((one) => ("sql" in one ? one : one.query).sql.startsWith("delete"))
          ? new Promise(() => {})
          : db.write(statements),
    };
    const first = create(dying);
    first.outbox.deliver("a", async ({ id }) => void got.push(id));
    await first.outbox.start();
    await put(db, first.outbox, [message(1), message(2)]);
    await until(first.clock, () => got.length === 2);
    const second = create(db);
    second.outbox.deliver("a", async ({ id }) => void got.push(id));
    await second.outbox.start();
    await until(second.clock, isEmpty(db));
    expect(got).toEqual(["m1", "m2", "m1", "m2"]);
    await second.outbox.close();
  });

  it("tries again, later and later, and keeps the order meanwhile", async () => {
    const db = await rig.open([outboxSchema]);
    const { outbox, clock } = create(db);
    const attempts: string[] = [];
    const times: number[] = [];
    outbox.deliver("a", async ({ id }) => {
      attempts.push(id);
      times.push(clock.monotonic());
      if (id === "m1" && attempts.length < 6) throw new ServiceError("UNAVAILABLE", "nobody there");
    });
    await outbox.start();
    await put(db, outbox, [message(1), message(2)]);
    await until(clock, isEmpty(db));
    expect(attempts).toEqual(["m1", "m1", "m1", "m1", "m1", "m1", "m2"]);
    const waits = times.slice(1, 6).map((time, i) => time - (times[i] ?? 0));
    for (const [i, wait] of waits.entries()) expect(wait).toBeGreaterThanOrEqual(100 * 2 ** i);
    await outbox.close();
  });

  // One message that its receiver can never accept must not hold up all that come after it, nor vanish.
  it("buries what its receiver refuses for good, and goes on", async () => {
    const db = await rig.open([outboxSchema]);
    const { outbox, clock, log, metrics } = create(db);
    const got: string[] = [];
    outbox.deliver("a", async ({ id }) => {
      if (id === "m2") throw new ServiceError("INVALID_INPUT", "no such series");
      if (id === "m3") throw new ServiceError("UNKNOWN_SERIES", "declared by the receiver");
      if (id === "m4") throw new Error("a defect that stays");
      got.push(id);
    });
    await outbox.start();
    await put(
      db,
      outbox,
      [1, 2, 3, 4, 5].map((id) => message(id)),
    );
    await until(clock, isEmpty(db));
    expect(got).toEqual(["m1", "m5"]);
    const dead = await db.read(CompiledQuery.raw("select id, reason from outbox_dead order by id"));
    expect(dead).toEqual([
      { id: "m2", reason: "INVALID_INPUT: no such series" },
      { id: "m3", reason: "UNKNOWN_SERIES: declared by the receiver" },
      { id: "m4", reason: "a defect that stays" },
    ]);
    expect(log.lines.filter((line) => line.level === "error")).toHaveLength(3);
    expect(await metrics.metrics()).toContain('{owner="ml",topic="a",outcome="dead"} 3');
    await outbox.close();
  });

  // An expired token is this process's trouble: burying messages for it would lose them all.
  it("does not bury a message for trouble of its own", async () => {
    const db = await rig.open([outboxSchema]);
    const { outbox, clock } = create(db);
    let attempts = 0;
    outbox.deliver("a", async () => {
      if (++attempts < 40) throw new ServiceError("UNAUTHENTICATED", "the token has expired");
    });
    await outbox.start();
    await put(db, outbox, [message(1)]);
    await until(clock, isEmpty(db));
    expect([attempts, await db.read(CompiledQuery.raw("select * from outbox_dead"))]).toEqual([40, []]);
    await outbox.close();
  });

  it("finds a message whose kick was forgotten, and runs no statement once it is idle", async () => {
    const db = await rig.open([outboxSchema]);
    const { outbox, clock } = create(db);
    const got: string[] = [];
    outbox.deliver("a", async ({ id }) => void got.push(id));
    await outbox.start();
    await db.write([outbox.put(message(1))]);
    await until(clock, () => got.length === 1);
    await until(clock, () => clock.pending === 0);
    await until(clock, isEmpty(db));
    const before = db.statementCount;
    await clock.advance(3_600_000);
    expect(db.statementCount).toBe(before);
    await outbox.close();
  });

  // A delivery that inherits the deadline of the request that kicked it fails as soon as that request is answered.
  it("delivers outside of the call that kicked it", async () => {
    const db = await rig.open([outboxSchema]);
    const { outbox, clock } = create(db);
    const calls: unknown[] = [];
    outbox.deliver("a", async () => void calls.push(currentCall()));
    await outbox.start();
    await runInCall({ contract: "ml" } as Call, () => put(db, outbox, [message(1)]));
    await until(clock, isEmpty(db));
    expect(calls).toEqual([undefined]);
    await outbox.close();
  });

  it("ends while a delivery waits to be tried again", async () => {
    const db = await rig.open([outboxSchema]);
    const { outbox, clock } = create(db);
    let attempts = 0;
    outbox.deliver("a", async () => {
      attempts++;
      throw new ServiceError("UNAVAILABLE", "nobody there");
    });
    await outbox.start();
    await put(db, outbox, [message(1)]);
    await until(clock, () => attempts === 1);
    await outbox.close();
    expect(clock.pending).toBe(0);
    expect(await left(db)).toEqual([{ id: "m1" }]);
  });
}

/** The members of a handle as an object that can be spread: those of a class stay behind otherwise. */
function handleOf(db: Database): Database {
  return {
    dialect: db.dialect,
    statementCount: db.statementCount,
    read: (query) => db.read(query),
    write: (statements) => db.write(statements),
    close: () => db.close(),
  };
}
