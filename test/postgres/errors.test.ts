import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { expecting, type Database } from "#runtime/storage/database.ts";
import { createRig, databaseUrl, failureOf, idsOf, insert, type Rig, statement } from "./rig.ts";

let rig: Rig;
let db: Database;
beforeEach(async () => {
  rig = await createRig();
  db = await rig.open();
});
afterEach(() => rig.close());

/** The server itself raises the error. */
const raise = (code: string) =>
  statement(`do $$ begin raise exception 'made for this test' using errcode = '${code}'; end $$`);
/** Raises it so many times, whatever is undone in between. */
const raiseTimes = (code: string, times: number) =>
  statement(`do $$ begin if nextval('tries') <= ${times} then
    raise exception 'made for this test' using errcode = '${code}'; end if; end $$`);

describe("an error of the server", () => {
  it.each([
    ["53100", "full", /disk of PostgreSQL at .* is full.*goes on by itself/],
    ["53200", "memory", /had not enough memory/],
    ["25006", "read-only", /takes no writes.*primary/],
    ["42501", "forbidden", /may not do this/],
    ["57014", "cancelled", /cancelled a statement/],
    ["58030", "input-output", /disk of PostgreSQL at .* failed/],
  ])("%s is told in words, and nothing is written", async (code, reason, words) => {
    const failure = await failureOf(db.write([insert(1), raise(code)]));
    expect(failure).toMatchObject({ code: "STORAGE", started: "no", data: { reason } });
    expect(failure?.message).toMatch(words);
    expect(failure?.message).not.toContain("s3cret");
    expect(await idsOf(db)).toEqual([]);
  });

  it("is told when the database takes no writes, as a standby does, and reads go on", async () => {
    const url = new URL(databaseUrl());
    url.searchParams.set("options", "-c default_transaction_read_only=on");
    const standby = await rig.open({ url: url.href });
    expect(await failureOf(standby.write([insert(1)]))).toMatchObject({ started: "no", data: { reason: "read-only" } });
    expect(await idsOf(standby)).toEqual([]);
  });

  it.each(["40001", "40P01"])("%s, by which it puts one transaction before another, is repeated", async (code) => {
    await db.write([statement("create sequence tries")]);
    await Promise.all([db.write([insert(1), raiseTimes(code, 3)]), db.write([insert(2)]), db.write([insert(3)])]);
    expect(await idsOf(db)).toEqual([1, 2, 3]);
  });

  it("that comes again and again is told in the end, with nothing written", async () => {
    const failure = await failureOf(db.write([insert(1), raise("40001")]));
    expect(failure).toMatchObject({ code: "STORAGE", started: "no", data: { reason: "contended" } });
    expect(await idsOf(db)).toEqual([]);
  });
});

describe("locks", () => {
  it("of another hold up a write for a while only, and not those that came with it", async () => {
    const [patient, holder] = [await rig.open({ lockTimeoutMs: 200 }), await rig.open()];
    await db.write([insert(1), insert(2)]);
    let letGo = () => {};
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const holding = holder
      .write([statement("update rows set body = 'held' where id = 1"), statement("select pg_sleep(1.5)")])
      .then(letGo);
    await expect.poll(() => waitingOrSleeping("PgSleep")).toBe(1);
    const update = (id: number) => expecting(statement("update rows set body = 'mine' where id = $1", id));
    const [first, second] = await Promise.all([
      failureOf(patient.write([update(1)])),
      failureOf(patient.write([update(2)])),
    ]);
    expect(first).toMatchObject({ code: "STORAGE", started: "no", data: { reason: "locked" } });
    expect(first?.message).toMatch(/lock in PostgreSQL at .* was held by someone else.*pg_stat_activity/);
    expect(second).toBeUndefined();
    await Promise.all([held, holding]);
    await patient.write([update(1)]);
  });

  // Groups of two processes touch the same rows in the other order: the server ends one of them, which nobody should see.
  it("in a circle are undone by the server and taken again", async () => {
    const other = await rig.open();
    await db.write([statement("insert into rows values (1, '0'), (2, '0')")]);
    const add = (id: number) => statement("update rows set body = (body::int + 1)::text where id = $1", id);
    const rounds = Array.from({ length: 6 });
    await Promise.all([
      ...rounds.map(() => db.write([add(1), statement("select pg_sleep(0.05)"), add(2)])),
      ...rounds.map(() => other.write([add(2), statement("select pg_sleep(0.05)"), add(1)])),
    ]);
    expect(await db.read(statement("select body from rows order by id"))).toEqual([{ body: "12" }, { body: "12" }]);
  });

  async function waitingOrSleeping(event: string): Promise<number> {
    const [row] = await db.read<{ count: number }>(
      statement(
        "select count(*) as count from pg_stat_activity where wait_event = $1 and application_name = $2",
        event,
        `seedcore ${rig.schema}`,
      ),
    );
    return row?.count ?? 0;
  }
});

// A server set up for speed would acknowledge what a power cut takes away; one set up otherwise would change numbers.
it("relies on no setting of the server", async () => {
  const url = new URL(databaseUrl());
  const settings = [
    "synchronous_commit=off",
    "extra_float_digits=-15",
    "bytea_output=escape",
    "default_transaction_isolation=serializable",
  ];
  url.searchParams.set("options", settings.map((one) => `-c ${one}`).join(" "));
  const odd = await rig.open({ url: url.href });
  const [, read] = await odd.write([
    insert(1),
    statement(
      "select current_setting('synchronous_commit') as sync, current_setting('transaction_isolation') as isolation, 0.1::float8 + 0.2::float8 as sum, '\\x00ff'::bytea as bytes",
    ),
  ]);
  expect(read?.rows).toEqual([
    { sync: "on", isolation: "read committed", sum: 0.1 + 0.2, bytes: new Uint8Array([0, 255]) },
  ]);
});
