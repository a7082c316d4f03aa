import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openPostgres } from "#runtime/storage/postgres.ts";
import { openProxy, openRefusing, type Proxy } from "./proxy.ts";
import { createRig, databaseUrl, failureOf, idsOf, insert, type Rig, statement } from "./rig.ts";
import { addressOf, createTestDatabase, onDatabase } from "./server.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await createRig();
});
afterEach(() => rig.close());

describe("a lost connection", () => {
  let proxy: Proxy;
  beforeEach(async () => {
    proxy = await openProxy(databaseUrl());
  });
  afterEach(() => proxy.close());
  /** The first time the client sends such a statement, and never again. */
  const once = (start: string, verdict: "cut-before" | "cut-after" | "swallow") => {
    let isOver = false;
    proxy.judge = (said) => {
      if (isOver || !said.includes(start)) return "pass";
      isOver = true;
      return verdict;
    };
  };

  // The server undid what was not committed, so a repeat is safe, and nobody has to hear of it.
  it.each(["cut-before", "cut-after"] as const)(
    "before the commit (%s) is made again, and the write repeated",
    async (how) => {
      const db = await rig.open({ url: proxy.url });
      once("begin", how);
      await db.write([insert(1)]);
      expect(await idsOf(db)).toEqual([1]);
      expect(proxy.connections).toBe(3);
    },
  );

  // Nobody can know whether the commit was done: to say "not written" would make a caller write twice.
  it.each([
    ["cut-before", []],
    ["cut-after", [1]],
  ] as const)("during the commit (%s) is told as it is, and the next write works", async (how, found) => {
    const db = await rig.open({ url: proxy.url });
    once("commit\0", how);
    const failure = await failureOf(db.write([insert(1)]));
    expect(failure).toMatchObject({ code: "STORAGE", started: "maybe", data: { reason: "lost" } });
    expect(failure?.message).toMatch(
      /connection to PostgreSQL at .* was lost.*Whether the write survives is not known/,
    );
    expect(await idsOf(db)).toEqual(found);
    await db.write([insert(2)]);
    expect(await idsOf(db)).toEqual([...found, 2]);
  });

  // A cable that is pulled sends no goodbye: without a limit every caller would wait for ever.
  it("is noticed when the server just says nothing", async () => {
    const db = await rig.open({ url: proxy.url, answerTimeoutMs: 300 });
    once("commit\0", "swallow");
    expect(await failureOf(db.write([insert(1)]))).toMatchObject({ code: "STORAGE", started: "maybe" });
    await db.write([insert(2)]);
    expect(await idsOf(db)).toEqual([2]);
  });

  it("during a read is made again, and the read repeated", async () => {
    const db = await rig.open({ url: proxy.url });
    await db.write([insert(1)]);
    once("select id", "cut-after");
    expect(await idsOf(db)).toEqual([1]);
  });

  // A process that is stopped in the middle of a transaction would hold up the next owner of its shard.
  it("of a process that stopped within a transaction frees its rows", async () => {
    const [db, other] = [await rig.open({ url: proxy.url }), await rig.open()];
    await other.write([insert(1)]);
    once("commit\0", "swallow");
    const stopped = failureOf(db.write([statement("update rows set body = 'stopped' where id = 1")]));
    await other.write([statement("update rows set body = 'taken over' where id = 1")]);
    expect(await stopped).toMatchObject({ started: "maybe" });
    expect(await other.read(statement("select body from rows"))).toEqual([{ body: "taken over" }]);
  });

  // What an acknowledged write said is there, and what was refused for certain is not, whatever was cut when.
  it("keeps its promises while an administrator ends connections again and again", async () => {
    const db = await rig.open();
    const [acknowledged, refused]: [number[], number[]] = [[], []];
    let next = 1;
    let isOver = false;
    const ending = (async () => {
      for (let i = 0; i < 15; i++) {
        await onDatabase(
          databaseUrl(),
          `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'seedcore ${rig.schema}'`,
        );
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      isOver = true;
    })();
    const writer = async () => {
      while (!isOver) {
        const id = next++;
        const failure = await failureOf(db.write([insert(id)]));
        if (failure === undefined) acknowledged.push(id);
        else if (failure.started === "no") refused.push(id);
        else expect(failure).toMatchObject({ code: "STORAGE", started: "maybe" });
      }
    };
    await Promise.all([ending, ...Array.from({ length: 8 }, writer)]);
    const found = new Set(await idsOf(db));
    expect(acknowledged.length).toBeGreaterThan(0);
    expect(acknowledged.filter((id) => !found.has(id))).toEqual([]);
    expect(refused.filter((id) => found.has(id))).toEqual([]);
  });
});

describe("a server that does not let us in", () => {
  const refusal = (url: string) => failureOf(openPostgres({ url, address: addressOf(url), schema: rig.schema }));

  it.each([
    ["57P03", "the database system is starting up", "restarting", /is starting, stopping or restarting/],
    ["28P01", 'password authentication failed for user "someone"', "login", /refuses the user or the password/],
    ["53300", "sorry, too many clients already", "too-many-connections", /no connection left.*max_connections/],
    ["3D000", 'database "db" does not exist', "no-database", /no such database.*createdb/],
  ])("%s is told in words, without the password", async (code, message, reason, words) => {
    const server = await openRefusing(code, message);
    const failure = await refusal(server.url);
    await server.close();
    expect(failure).toMatchObject({ code: "STORAGE", started: "no", data: { reason } });
    expect(failure?.message).toMatch(words);
    expect(inspect(failure, { depth: 9, showHidden: true })).not.toContain("s3cret");
  });

  it("and is not there at all is told so", async () => {
    const server = await openRefusing("", "");
    await server.close();
    const failure = await refusal(server.url);
    expect(failure).toMatchObject({ code: "STORAGE", started: "no", data: { reason: "unreachable" } });
    expect(failure?.message).toMatch(/cannot be reached .*ECONNREFUSED.*DATABASE_URL/);
    expect(inspect(failure, { depth: 9, showHidden: true })).not.toContain("s3cret");
  });

  it("whose database is not there is told so", async () => {
    const url = new URL(databaseUrl());
    url.pathname = "/seedcore_no_such";
    expect(await refusal(url.href)).toMatchObject({ data: { reason: "no-database" } });
  });

  // Such a database would refuse the first text with a letter beyond its alphabet, days after the start.
  it("whose database does not hold every text is refused", async () => {
    const database = await createTestDatabase("SQL_ASCII");
    const failure = await refusal(database.url);
    await database.drop();
    expect(failure?.message).toMatch(/does not hold every text \(its encoding is SQL_ASCII\).*--encoding=UTF8/);
  });

  it("whose user may not make the schema is told what it needs", async () => {
    const role = `${rig.schema}_role`;
    const url = new URL(databaseUrl());
    url.username = role;
    await onDatabase(databaseUrl(), `create role ${role} login`);
    try {
      const failure = await failureOf(openPostgres({ url: url.href, address: "here", schema: `${rig.schema}_new` }));
      expect(failure).toMatchObject({ code: "STORAGE", data: { reason: "forbidden" } });
      expect(failure?.message).toMatch(/needs CREATE on the database/);
    } finally {
      await onDatabase(databaseUrl(), `drop role ${role}`);
    }
  });
});
