/** The telemetry service over a real database: which process runs the sources, and what it keeps. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type SourceSpec, telemetry } from "#contracts/telemetry.ts";
import { systemClock } from "#core/clock.ts";
import { systemIds } from "#core/ids.ts";
import { seededRandom } from "#core/random.ts";
import { ServiceError } from "#core/service-error.ts";
import { createClient } from "#runtime/client/create-client.ts";
import type { HostStatus } from "#runtime/engine/engine.ts";
import { HostSpec } from "#runtime/engine/host-spec.ts";
import { createDesiredState, desiredStateSchema } from "#runtime/engine/desired-state-rows.ts";
import { createDatabases } from "#runtime/storage/databases.ts";
import { createShardEpochs } from "#runtime/storage/shard-epochs.ts";
import { outboxSchema } from "#runtime/storage/outbox-schema.ts";
import { createOutbox } from "#runtime/storage/outbox-store.ts";
import { silentLogger } from "#runtime/telemetry/logger.ts";
import { createRegistry } from "#runtime/telemetry/metrics.ts";
import { createCallHistory } from "#services/telemetry/call-history.ts";
import { CHANGE_TOPIC, telemetryService } from "#services/telemetry/service.ts";
import { createSourceStore, SOURCE_SCHEMAS } from "#services/telemetry/store.ts";
import { memoryTransport } from "#testing/memory-transport.ts";
import { temporaryPlace } from "../temporary-place.ts";

let place: Awaited<ReturnType<typeof temporaryPlace>>;
let databases: ReturnType<typeof createDatabases>;
beforeEach(async () => {
  place = await temporaryPlace();
  databases = createDatabases(place.url, systemClock, place.namespace);
});
afterEach(async () => {
  await databases.close();
  await place.remove();
});

const CORE = HostSpec.parse({ name: "core", services: ["telemetry"], env: { PASSWORD: "hunter2" } });
const DOOR = HostSpec.parse({ name: "door", services: ["gateway"], port: 7_000 });

const SPEC: SourceSpec = { kind: "host", intervalMs: 1_000 };
const ml = {
  ingest: () => Promise.reject(new ServiceError("UNAVAILABLE", "away")),
  source: () => Promise.reject(new ServiceError("UNAVAILABLE", "away")),
} as never;

/** One process that serves telemetry; its sources only note that they run. */
async function openProcess(
  watch: ("host" | "services")[] = ["host", "services"],
  kind: "embedded" | "ray" = "embedded",
) {
  const database = await databases.open("seedcore", [...SOURCE_SCHEMAS, desiredStateSchema, outboxSchema]);
  const epochs = createShardEpochs(database);
  const running = new Set<string>();
  const alive = { count: 0 };
  const desired = createDesiredState(database, systemClock);
  await desired.put(CORE);
  await desired.put(DOOR);
  const hosts: HostStatus[] = [
    {
      spec: CORE,
      generation: 1,
      replicas: [
        {
          id: "core/0@1",
          pid: 42,
          version: "1",
          generation: 1,
          restarts: 0,
          state: { kind: "ready", sinceMs: 1, address: "http://127.0.0.1:1" },
        },
        {
          id: "core/1@1",
          pid: 43,
          version: "1",
          generation: 1,
          restarts: 4,
          state: { kind: "backoff", sinceMs: 1, retryAtMs: 2, reason: "exit 1" },
        },
      ],
    },
    { spec: DOOR, generation: 1, replicas: [] },
  ];
  const told: unknown[] = [];
  const outbox = createOutbox({
    db: database,
    owner: "telemetry",
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    metrics: createRegistry({}),
  });
  outbox.deliver(CHANGE_TOPIC, async ({ body }) => void told.push(body));
  const service = telemetryService(
    {
      clock: systemClock,
      random: seededRandom(1),
      log: silentLogger,
      ml,
      namespace: "n",
      store: createSourceStore(database),
      database,
      open: (spec) => ({
        source: async ({ signal }) => {
          running.add(spec.kind);
          alive.count++;
          await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
          running.delete(spec.kind);
          alive.count--;
        },
      }),
      calls: createCallHistory(),
      engineStatus: () => ({
        kind,
        hosts,
      }),
      ids: systemIds,
      desired,
      outbox,
      residentBytes: ({ pid }) => (pid ?? 0) * 1_000,
      close: async () => {},
    },
    { version: "1", startedAtMs: 5, watch, secrets: {} },
  );
  let epoch = 0;
  const transport = memoryTransport([service], {
    get epoch() {
      return epoch;
    },
  });
  return {
    running,
    alive,
    desired,
    hosts,
    told,
    client: createClient(telemetry, { transport }),
    async own() {
      epoch = (await epochs.claim("telemetry", [0], "me")).get(0) ?? 0;
      await service.owned?.(new Map([[0, epoch]]));
    },
    lose: () => service.owned?.(new Map()),
    close: () => service.close?.(),
  };
}

describe("sources", () => {
  it("run in the owner only, follow the ownership, and a former owner changes nothing", async () => {
    const [first, second] = [await openProcess(), await openProcess()];
    expect(first.running.size).toBe(0);
    await first.own();
    expect([...first.running].sort()).toEqual(["host", "services"]);
    await second.own();
    // The first has not been told yet: what it is asked to write is refused, so the caller goes to the owner.
    await expect(first.client.putSource({ name: "mine", spec: SPEC })).rejects.toMatchObject({ code: "NOT_OWNER" });
    await expect(first.client.removeSource({ name: "host" })).rejects.toMatchObject({ code: "NOT_OWNER" });
    await first.lose();
    expect([first.running.size, second.running.size]).toEqual([0, 2]);
    expect((await second.client.sources({})).sources.map(({ name }) => name)).toEqual(["host", "services"]);
    await Promise.all([first.close(), second.close()]);
    expect(second.running.size).toBe(0);
  });

  it("are kept as they were put; a removed default is not put back", async () => {
    const first = await openProcess();
    await first.own();
    expect(await first.client.removeSource({ name: "services" })).toEqual({ removed: true });
    expect(await first.client.removeSource({ name: "services" })).toEqual({ removed: false });
    await first.client.putSource({ name: "host", spec: { ...SPEC, intervalMs: 5_000 } });
    await first.close();
    const second = await openProcess();
    await second.own();
    const { sources } = await second.client.sources({});
    expect(sources).toMatchObject([{ name: "host", spec: { kind: "host", intervalMs: 5_000 }, state: "waiting" }]);
    await second.client.putSource({ name: "services", spec: { kind: "services" } });
    expect(second.running.has("services")).toBe(true);
    await second.close();
  });
});

// Two commands that put the same source at once must not leave one of its loops behind, unseen and unstoppable.
it("a source that is put many times at once runs once, as it was put last", async () => {
  const { own, client, alive, close } = await openProcess([]);
  await own();
  await Promise.all(
    [1, 2, 3, 4].map((n) => client.putSource({ name: "mine", spec: { ...SPEC, intervalMs: n * 1_000 } })),
  );
  expect(alive.count).toBe(1);
  expect((await client.sources({})).sources).toMatchObject([{ name: "mine", spec: { intervalMs: 4_000 } }]);
  await close();
  expect(alive.count).toBe(0);
});

describe("hosts", () => {
  it("are shown with memory and reasons, without the values of their environment", async () => {
    const { client } = await openProcess([]);
    const status = await client.status({});
    expect(status).toMatchObject({ namespace: "n", startedAtMs: 5, engine: "embedded" });
    expect(status.hosts[0]?.replicas).toMatchObject([
      { state: "ready", residentBytes: 42_000, reason: null },
      { state: "backoff", residentBytes: null, reason: "exit 1", restarts: 4 },
    ]);
    expect(JSON.stringify(status)).toContain("PASSWORD");
    expect(JSON.stringify(status)).not.toContain("hunter2");
  });

  it("are scaled and restarted through the desired state; an unknown one is named with those there are", async () => {
    const { client, desired } = await openProcess([]);
    expect(await client.scaleHost({ host: "core", replicas: 3 })).toEqual({ host: "core", replicas: 3, previous: 1 });
    expect(await client.restartHost({ host: "core" })).toEqual({ host: "core", generation: 2 });
    expect((await desired.list())[0]).toMatchObject({ spec: { name: "core", replicas: 3 }, generation: 2 });
    const unknown = await client.scaleHost.try({ host: "cor", replicas: 1 });
    expect(unknown).toMatchObject({ ok: false, error: { code: "UNKNOWN_HOST", data: { known: ["core", "door"] } } });
  });

  // What a person did by hand minutes before an incident is the first thing to know about it.
  it("tell the coordinator of every change, also of one whose process ended before it had told", async () => {
    const first = await openProcess([]);
    await first.client.scaleHost({ host: "core", replicas: 2 });
    await first.client.scaleHost({ host: "core", replicas: 2 });
    await first.client.restartHost({ host: "core" });
    expect(first.told).toEqual([]);
    const second = await openProcess([]);
    await second.own();
    await second.client.restartHost({ host: "core" });
    await expect.poll(() => second.told).toHaveLength(3);
    const restart = {
      kind: "restart",
      target: "core",
      summary: "Host core was restarted by test.",
      data: { by: "test" },
    };
    expect(second.told).toMatchObject([
      { kind: "scale", target: "core", summary: "Host core was scaled from 1 to 2 replicas by test." },
      restart,
      restart,
    ]);
    await Promise.all([first.close(), second.close()]);
  });

  it("are rolled out with the present spec and another code, once at a time, and taken back", async () => {
    const { client, desired } = await openProcess([]);
    const plan = { host: "core", version: "2", package: "/next" };
    // What the engine has told is older than the desired state.
    await desired.scale("core", 4);
    expect(await client.startRollout(plan)).toMatchObject({
      from: "1",
      to: "2",
      state: "starting",
      percent: 0,
      steps: [5, 25, 100],
      everyMs: 30_000,
    });
    const next = (await desired.list())[0]?.rollout?.next;
    expect(next).toEqual({ ...CORE, replicas: 4, version: "2", package: "/next" });
    await expect(client.startRollout(plan)).rejects.toMatchObject({ code: "CONFLICT" });
    const returned = { state: "returned", reason: "it was aborted by test" };
    expect(await client.abortRollout({ host: "core" })).toMatchObject({ aborted: true, rollout: returned });
    expect(await client.abortRollout({ host: "core" })).toMatchObject({ aborted: false, rollout: returned });
    expect(await client.rollout({ host: "core" })).toMatchObject({ rollout: returned });
    expect(await client.rollout({ host: "door" })).toEqual({ rollout: null });
    expect((await desired.list())[0]?.spec).toEqual({ ...CORE, replicas: 4 });
    await expect(client.startRollout({ ...plan, host: "door" })).rejects.toThrow(/fixed port/);
    expect(await client.rollout.try({ host: "nowhere" })).toMatchObject({ error: { code: "UNKNOWN_HOST" } });
  });

  it("are not scaled to where nobody could scale them back, nor beyond a fixed port", async () => {
    const { client, desired } = await openProcess([]);
    for (const host of ["core", "door"]) {
      await expect(client.scaleHost({ host, replicas: 0 })).rejects.toMatchObject({ code: "INVALID_INPUT" });
    }
    await expect(client.scaleHost({ host: "door", replicas: 2 })).rejects.toThrow(/fixed port 7000/);
    expect((await desired.list()).map(({ spec }) => spec.replicas)).toEqual([1, 1]);
  });

  // There each is on a node of its own: a node that has joined gets its gateway so.
  it("with a fixed port are scaled on Ray", async () => {
    const { client, desired } = await openProcess([], "ray");
    expect(await client.scaleHost({ host: "door", replicas: 3 })).toMatchObject({ replicas: 3, previous: 1 });
    expect((await desired.list()).map(({ spec }) => spec.replicas)).toEqual([1, 3]);
  });
});

describe("a deploy that fails", () => {
  const contract = { name: "greeter", summary: "Greets.", state: "none", procedures: {} } as const;
  const own = (version: string) => ({
    version,
    services: ["greeter"],
    contracts: [contract],
    package: `/packages/${"a".repeat(40)}`,
  });
  const replica = (
    generation: number,
    kind: "ready" | "backoff",
    version = String(generation),
  ): HostStatus["replicas"][number] => {
    const state = { ready: { kind, address: "http://a" }, backoff: { kind, retryAtMs: 9, reason: "no licence" } }[kind];
    return {
      id: `greeter/0@${generation}`,
      pid: 1,
      version,
      generation,
      restarts: 0,
      state: { sinceMs: 1, ...state } as HostStatus["replicas"][number]["state"],
    };
  };

  /** An organism of which the test says what the engine has made of the newest generation. */
  async function openDeploys() {
    const { client, desired, hosts } = await openProcess([]);
    const greeter = async () => (await desired.list()).find(({ spec }) => spec.name === "greeter");
    const generation = async () => (await greeter())?.generation;
    return {
      client,
      desired,
      greeter,
      /** Resolves once it is in the desired state. */
      async begin(version: string) {
        const before = (await generation()) ?? 0;
        const failed = client.deployHost({ host: "greeter", spec: own(version) }).then(
          () => undefined,
          (error: ServiceError) => error,
        );
        await expect.poll(generation).toBeGreaterThan(before);
        return { failed };
      },
      async engineHas(...replicas: HostStatus["replicas"]) {
        const row = await greeter();
        if (row === undefined) throw new TypeError("There is no greeter.");
        hosts.splice(2, 1, { spec: row.spec, generation: row.generation, replicas });
      },
    };
  }

  // On Ray the list of what runs now had the old ones in it, as if they were to stay.
  it("answers with its own replicas, not with those that leave", async () => {
    const { client, desired, greeter, engineHas } = await openDeploys();
    await desired.put(HostSpec.parse({ name: "greeter", ...own("1") }));
    const before = (await greeter())?.generation ?? 0;
    const deployed = client.deployHost({ host: "greeter", spec: own("2") });
    await expect.poll(async () => (await greeter())?.generation).toBe(before + 1);
    await engineHas(replica(before, "ready", "1"), replica(before + 1, "ready", "2"));
    expect((await deployed).host.replicas.map(({ version }) => version)).toEqual(["2"]);
  });

  it("gives way to the version before it, which serves on, and is removed when there was none", async () => {
    const { client, desired, greeter, begin, engineHas } = await openDeploys();
    const first = await begin("1");
    await engineHas(replica(1, "backoff"));
    expect(await first.failed).toMatchObject({
      code: "DEPLOY_FAILED",
      data: { restored: false },
      message: expect.stringContaining("no licence. It was removed again.") as unknown,
    });
    expect(await greeter()).toBeUndefined();
    await desired.put(HostSpec.parse({ name: "greeter", ...own("1") }));
    const second = await begin("2");
    await engineHas(replica(2, "ready", "1"), replica(3, "backoff"));
    const servesOn = {
      data: { restored: true },
      message: expect.stringContaining("no licence. The version before it serves on.") as unknown,
    };
    expect(await second.failed).toMatchObject(servesOn);
    expect(await greeter()).toMatchObject({ spec: { version: "1" }, generation: 4 });
    // What was put back has not started yet when the next one fails: those before it serve on.
    const third = await begin("3");
    await engineHas(replica(2, "ready", "1"), replica(5, "backoff"));
    expect(await third.failed).toMatchObject(servesOn);
    await client.removeHost({ host: "greeter" });
  });

  // Each put back what it had found, over what the other had deployed since: a version that nobody had seen ready stayed.
  it("leaves alone what somebody has deployed since, and says what is to run", async () => {
    const { desired, greeter, begin, engineHas } = await openDeploys();
    await desired.put(HostSpec.parse({ name: "greeter", ...own("1") }));
    const second = await begin("2");
    const third = await begin("3");
    await engineHas(replica(1, "ready"));
    expect(await second.failed).toMatchObject({
      data: { reason: "somebody changed the host meanwhile", restored: false },
      message: expect.stringContaining("Version 3 is to run now.") as unknown,
    });
    expect(await greeter()).toMatchObject({ spec: { version: "3" }, generation: 3 });
    await engineHas(replica(1, "ready"), replica(3, "backoff"));
    // The second never was ready either.
    expect(await third.failed).toMatchObject({
      data: { reason: "no licence", restored: false },
      message: expect.stringContaining("Version 2 is to run now.") as unknown,
    });
  });

  it("leaves alone a restart, and a host that somebody has deployed since it was the first", async () => {
    const { client, desired, greeter, begin, engineHas } = await openDeploys();
    const first = await begin("1");
    const second = await begin("2");
    await engineHas(replica(1, "backoff"));
    expect((await first.failed)?.message).toContain("Version 2 is to run now.");
    expect(await greeter()).toMatchObject({ spec: { version: "2" }, generation: 2 });
    await client.restartHost({ host: "greeter" });
    await engineHas(replica(2, "backoff"));
    expect((await second.failed)?.message).toContain("Version 2 is to run now.");
    expect(await greeter()).toMatchObject({ spec: { version: "2" }, generation: 3 });
    await desired.remove("greeter");
  });
});
