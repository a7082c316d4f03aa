/**
 * What every engine must do, written against the Engine interface alone. An engine's test calls `describeEngine` with
 * how to make one and with a small host to deploy.
 */
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "#core/clock.ts";
import { defineContract } from "#core/contract.ts";
import { seededRandom } from "#core/random.ts";
import { createBalancer } from "../client/balancer.ts";
import { ownerOf, type Replica, type Topology } from "../topology.ts";
import type { Engine, HostStatus, ReplicaStatus, RolloutStatus } from "./engine.ts";
import type { HostSpecInput } from "./host-spec.ts";

export interface EngineSubject {
  /** A started engine with nothing deployed. */
  create(): Promise<Engine>;
  /** A host whose replicas answer `call`; its environment variable COLOR shows in the answer. */
  readonly spec: HostSpecInput;
  /** A variation of `spec` that fails so many of ten calls with an internal error. */
  erring(errorsInTen: number): HostSpecInput;
  /** A variation of `spec` whose replicas fail at start with this message. */
  failing(message: string): HostSpecInput;
  /** Calls a replica; `holdMs` is how long the replica takes. Rejects with `notStarted` true when the call was refused. */
  call(replica: Replica, holdMs?: number): Promise<{ readonly replica: string; readonly color?: string }>;
  /** Sends a signal to a replica's process, wherever it runs. */
  signal(replica: ReplicaStatus, signal: "SIGKILL" | "SIGSTOP"): void;
  /** Whether a replica's process still exists. */
  isAlive(replica: ReplicaStatus): boolean;
  /** Within this everything that can be reached is reached. */
  readonly settlesWithinMs: number;
  /** Within this a host that cannot start has said why. */
  readonly failsWithinMs: number;
}

export function describeEngine(name: string, subject: EngineSubject): void {
  const { settlesWithinMs, failsWithinMs } = subject;
  describe(`${name}: an engine`, () => {
    let engine: Engine | undefined;
    const start = async (spec: HostSpecInput) => {
      engine = await subject.create();
      await engine.deploy(spec);
      await engine.settled(settlesWithinMs);
      return engine;
    };
    afterEach(async () => {
      await engine?.stop();
      engine = undefined;
    });

    it("deploys: every replica is ready, in the topology, and answers under its own id", {
      tags: ["smoke"],
    }, async () => {
      const running = await start({ ...subject.spec, replicas: 2 });
      const { replicas, state } = running.topology.current();
      expect(state).toBe("settled");
      expect(replicas).toHaveLength(2);
      for (const replica of replicas) {
        expect(replica).toMatchObject({ host: subject.spec.name, services: subject.spec.services, weight: 1 });
        expect((await subject.call(replica)).replica).toBe(replica.id);
      }
      expect(statusOf(running, subject).replicas.map(({ state: { kind } }) => kind)).toEqual(["ready", "ready"]);
    });

    it("leaves everything as it is when the same spec is deployed again", async () => {
      const running = await start(subject.spec);
      const before = running.topology.current();
      const { generation } = statusOf(running, subject);
      await running.deploy(subject.spec);
      await running.settled(settlesWithinMs);
      expect(running.topology.current()).toEqual(before);
      expect(statusOf(running, subject).generation).toBe(generation);
    });

    it("scales up, down and to nothing without touching who stays", async () => {
      const running = await start(subject.spec);
      const [first] = running.topology.current().replicas;
      for (const count of [3, 1, 0, 1]) {
        await running.scale(subject.spec.name, count);
        await running.settled(settlesWithinMs);
        const ids = running.topology.current().replicas.map(({ id }) => id);
        expect(ids).toHaveLength(count);
        if (count > 0 && first && ids.includes(first.id)) expect(ids[0]).toBe(first.id);
      }
      expect(running.topology.current().replicas[0]?.id).not.toBe(first?.id);
    });

    it("restarts every replica new before old, without a failed call", async () => {
      const running = await start({ ...subject.spec, replicas: 2 });
      const seen: Topology[] = [];
      running.topology.watch((topology) => seen.push(topology));
      const before = new Set(running.topology.current().replicas.map(({ id }) => id));
      const load = callAlways(running, subject);
      await running.restart(subject.spec.name);
      await running.settled(settlesWithinMs);
      expect(await load.stop()).toEqual({ failures: [], calls: expect.any(Number) });
      expect(running.topology.current().replicas.filter(({ id }) => before.has(id))).toEqual([]);
      expect(Math.min(...seen.map(({ replicas }) => replicas.length))).toBe(2);
    });

    it("rolls a changed spec out, and says so in the generation", async () => {
      const running = await start(subject.spec);
      const { generation } = statusOf(running, subject);
      const load = callAlways(running, subject);
      await running.deploy({ ...subject.spec, env: { ...subject.spec.env, COLOR: "blue" } });
      await running.settled(settlesWithinMs);
      expect((await load.stop()).failures).toEqual([]);
      expect(statusOf(running, subject).generation).toBeGreaterThan(generation);
      const [replica] = running.topology.current().replicas;
      expect(replica && (await subject.call(replica)).color).toBe("blue");
    });

    it("keeps the old version serving while the new one cannot start", async () => {
      const running = await start(subject.spec);
      const before = running.topology.current().replicas;
      await running.deploy(subject.failing("no model"));
      await expect(running.settled(failsWithinMs)).rejects.toThrow(/no model/);
      expect(running.topology.current().replicas).toEqual(before);
      for (const replica of before) await subject.call(replica);
      await running.deploy(subject.spec);
      await running.settled(settlesWithinMs);
    });

    it("lets a call that is under way finish before a replica goes", async () => {
      const running = await start(subject.spec);
      const [replica] = running.topology.current().replicas;
      if (!replica) throw new Error("no replica");
      // Longer than any replica needs to leave: calls were cut after ten seconds.
      const slow = subject.call(replica, 15_000);
      // The call must have reached the replica before it is told to go.
      await subject.call(replica);
      await running.scale(subject.spec.name, 0);
      await expect(slow).resolves.toMatchObject({ replica: replica.id });
      await running.settled(settlesWithinMs);
    });

    it("starts a killed replica again under a new id", async () => {
      const running = await start({ ...subject.spec, replicas: 2 });
      const [victim] = statusOf(running, subject).replicas;
      if (victim === undefined) throw new Error("no replica");
      const gone = left(running, victim.id);
      subject.signal(victim, "SIGKILL");
      await gone;
      await running.settled(settlesWithinMs);
      const { replicas } = statusOf(running, subject);
      expect(replicas.map(({ id }) => id)).not.toContain(victim.id);
      expect(replicas.map(({ restarts }) => restarts).sort((a, b) => a - b)).toEqual([0, 1]);
    });

    it("replaces a replica that is alive but no longer answers", async () => {
      const running = await start(subject.spec);
      const [victim] = statusOf(running, subject).replicas;
      if (victim === undefined) throw new Error("no replica");
      const gone = left(running, victim.id);
      subject.signal(victim, "SIGSTOP");
      await gone;
      await running.settled(settlesWithinMs);
      expect(subject.isAlive(victim)).toBe(false);
    });

    it("says which replica is missing and why", async () => {
      engine = await subject.create();
      await engine.deploy(subject.failing("the model file is missing"));
      await expect(engine.settled(failsWithinMs)).rejects.toMatchObject({
        message: expect.stringContaining("the model file is missing"),
      });
      expect(engine.topology.current().replicas).toEqual([]);
    });

    it("refuses unknown hosts and impossible counts", async () => {
      const running = await start(subject.spec);
      await expect(running.scale("nowhere", 1)).rejects.toMatchObject({ code: "NOT_FOUND" });
      await expect(running.restart("nowhere")).rejects.toMatchObject({ code: "NOT_FOUND" });
      for (const count of [-1, 1.5, 65]) {
        await expect(running.scale(subject.spec.name, count)).rejects.toMatchObject({ code: "INVALID_INPUT" });
      }
    });

    it("forgets a removed host", async () => {
      const running = await start(subject.spec);
      await running.remove(subject.spec.name);
      await running.settled(settlesWithinMs);
      expect(running.status().hosts).toEqual([]);
      expect(running.topology.current().replicas).toEqual([]);
    });

    it("begins unsettled, and versions only grow within its epoch", async () => {
      engine = await subject.create();
      const seen = [engine.topology.current()];
      engine.topology.watch((topology) => seen.push(topology));
      expect(seen[0]?.state).toBe("settling");
      await engine.deploy(subject.spec);
      await engine.settled(settlesWithinMs);
      await engine.restart(subject.spec.name);
      await engine.settled(settlesWithinMs);
      expect(new Set(seen.map(({ epoch }) => epoch)).size).toBe(1);
      const versions = seen.map(({ version }) => version);
      expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
    });

    describe("a rollout", () => {
      const next: HostSpecInput = { ...subject.spec, version: "next", env: { ...subject.spec.env, COLOR: "blue" } };

      it("gives the new version its share of calls and of shards, no more, and moves only those", async () => {
        const running = await start(subject.spec);
        await running.rollOut(next, { steps: [20, 100], everyMs: 600_000 });
        await reached(running, subject, ({ percent }) => percent === 20);
        await weighed(running, 0.2);
        const { replicas } = running.topology.current();
        const weights = replicas.map(({ version, weight }) => `${version} ${weight}`);
        expect(weights.sort()).toEqual(["1 0.8", "next 0.2"]);
        const load = callByWeight(running, subject, { concurrency: 4 });
        await load.after(500);
        const { failures, versions } = await load.stop();
        expect(failures).toEqual([]);
        const canary = (versions.get("next") ?? 0) / [...versions.values()].reduce((sum, count) => sum + count, 0);
        expect(canary).toBeGreaterThan(0.11);
        expect(canary).toBeLessThan(0.29);
        const shards = Array.from({ length: 256 }, (_, shard) => shard);
        const versionOf = (topology: Topology, shard: number) => ownerOf(topology, { name: "toy" }, shard)?.version;
        const moved = shards.filter((shard) => versionOf(running.topology.current(), shard) === "next");
        expect(moved.length).toBeGreaterThan(0.08 * 256);
        expect(moved.length).toBeLessThan(0.32 * 256);
        await running.abortRollout(subject.spec.name);
        await running.settled(settlesWithinMs);
        expect(statusOf(running, subject).rollout).toMatchObject({ state: "returned", reason: "it was aborted" });
      });

      it("ends with the new version alone, without a failed call", async () => {
        const running = await start(subject.spec);
        const before = statusOf(running, subject);
        const load = callByWeight(running, subject, { concurrency: 2 });
        await running.rollOut(next, { steps: [50, 100], everyMs: 2_000 });
        await expect(running.rollOut(next, { steps: [100], everyMs: 1 })).rejects.toMatchObject({ code: "CONFLICT" });
        await expect(running.restart(subject.spec.name)).rejects.toMatchObject({ code: "CONFLICT" });
        await reached(running, subject, ({ state }) => state === "finished");
        await running.settled(settlesWithinMs);
        expect((await load.stop()).failures).toEqual([]);
        const after = statusOf(running, subject);
        expect(after).toMatchObject({ spec: { version: "next" }, rollout: { state: "finished", percent: 100 } });
        expect(after.generation).toBeGreaterThan(before.generation);
        const { replicas } = running.topology.current();
        expect(replicas.map(({ version, weight }) => [version, weight])).toEqual([["next", 1]]);
        expect(replicas[0] && (await subject.call(replicas[0])).color).toBe("blue");
      });

      it("takes back a version that errs, by itself; from then on no call fails", async () => {
        const running = await start(subject.spec);
        const before = running.topology.current().replicas;
        const load = callByWeight(running, subject, { concurrency: 4 });
        await running.rollOut({ ...subject.erring(5), version: "bad" }, { steps: [25, 100], everyMs: 60_000 });
        const { reason, percent } = await reached(running, subject, ({ state }) => state === "returned");
        expect({ reason, percent }).toEqual({ reason: expect.stringMatching(/of \d+ calls .* failed/), percent: 0 });
        await running.settled(settlesWithinMs);
        expect((await load.stop()).failures).not.toEqual([]);
        expect(running.topology.current().replicas).toEqual(before);
        const after = callByWeight(running, subject, { concurrency: 4 });
        await after.after(300);
        expect((await after.stop()).failures).toEqual([]);
      });

      it("takes back a version that does not start, and says why", async () => {
        const running = await start(subject.spec);
        const before = running.topology.current().replicas;
        const load = callByWeight(running, subject, { concurrency: 1 });
        await running.rollOut({ ...subject.failing("no model"), version: "bad" }, { steps: [100], everyMs: 1_000 });
        const { reason } = await reached(running, subject, ({ state }) => state === "returned");
        expect(reason).toContain("no model");
        await running.settled(settlesWithinMs);
        expect((await load.stop()).failures).toEqual([]);
        expect(running.topology.current().replicas).toEqual(before);
      });

      it("refuses what cannot be a rollout", async () => {
        const running = await start(subject.spec);
        const plan = { steps: [100], everyMs: 1_000 };
        await expect(running.rollOut({ ...next, name: "nowhere" }, plan)).rejects.toMatchObject({ code: "NOT_FOUND" });
        for (const [spec, steps] of [
          [{ ...next, version: "1" }, [100]],
          [{ ...next, port: 7_999 }, [100]],
          [next, []],
          [next, [50]],
          [next, [50, 25, 100]],
          [next, [0, 100]],
        ] as const) {
          const refused = running.rollOut(spec, { ...plan, steps });
          await expect(refused).rejects.toMatchObject({ code: "INVALID_INPUT" });
        }
      });
    });

    it("stops everything it started", async () => {
      const running = await start({ ...subject.spec, replicas: 2 });
      const { replicas } = statusOf(running, subject);
      await running.stop();
      engine = undefined;
      expect(replicas.filter((replica) => subject.isAlive(replica))).toEqual([]);
    });
  });
}

function statusOf(engine: Engine, subject: EngineSubject): HostStatus {
  const status = engine.status().hosts.find(({ spec }) => spec.name === subject.spec.name);
  if (!status) throw new Error(`no status of "${subject.spec.name}"`);
  return status;
}

/** Calls as a client does, one after another: what was refused goes to a replica of the present topology. */
function callAlways(engine: Engine, subject: EngineSubject) {
  const failures: unknown[] = [];
  let calls = 0;
  let stopped = false;
  const one = async () => {
    for (let attempt = 0; ; attempt++) {
      const { replicas } = engine.topology.current();
      const replica = replicas[calls % Math.max(1, replicas.length)];
      try {
        if (!replica) throw new Error("the topology is empty");
        await subject.call(replica);
        return;
      } catch (error) {
        const refused = (error as { notStarted?: boolean }).notStarted === true;
        if (!refused || attempt >= 5) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };
  const running = (async () => {
    while (!stopped) {
      await one().catch((error: unknown) => failures.push(error));
      calls++;
    }
  })();
  return {
    async stop() {
      stopped = true;
      await running;
      return { failures, calls };
    },
  };
}

/** Resolves when the replica has left the topology. */
function left(engine: Engine, id: string): Promise<void> {
  return new Promise((resolve) => {
    const stop = engine.topology.watch(({ replicas }) => {
      if (replicas.some((replica) => replica.id === id)) return;
      stop();
      resolve();
    });
  });
}

/** Resolves with the status of the rollout once it is so; gives up with what it was instead. */
async function reached(
  engine: Engine,
  subject: EngineSubject,
  isSo: (rollout: RolloutStatus) => boolean,
): Promise<RolloutStatus> {
  const giveUpAtMs = performance.now() + subject.settlesWithinMs;
  while (true) {
    const { rollout } = statusOf(engine, subject);
    if (rollout !== undefined && isSo(rollout)) return rollout;
    if (performance.now() > giveUpAtMs) throw new Error(`the rollout is still ${JSON.stringify(rollout)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Resolves when a replica of this weight is in the topology. */
function weighed(engine: Engine, weight: number): Promise<void> {
  return new Promise((resolve) => {
    const isThere = () => engine.topology.current().replicas.some((replica) => replica.weight === weight);
    if (isThere()) return resolve();
    const stop = engine.topology.watch(() => {
      if (!isThere()) return;
      stop();
      resolve();
    });
  });
}

/** Calls the service as clients do, each time the replica that the balancer picks; what was refused is repeated. */
function callByWeight(engine: Engine, subject: EngineSubject, { concurrency }: { concurrency: number }) {
  const contract = defineContract("toy", { summary: "", state: "none", procedures: {} });
  const balancer = createBalancer(engine.topology, systemClock, seededRandom(1));
  const failures: unknown[] = [];
  const versions = new Map<string, number>();
  const arrivals = new Set<() => void>();
  let calls = 0;
  let stopped = false;
  const one = async () => {
    for (let attempt = 0; ; attempt++) {
      const replica = balancer.pick(contract, undefined, new Set());
      if (replica === undefined) throw new Error("nobody takes calls");
      balancer.begin(replica);
      try {
        await subject.call(replica);
        versions.set(replica.version, (versions.get(replica.version) ?? 0) + 1);
        return;
      } catch (error) {
        const refused = (error as { notStarted?: boolean }).notStarted === true;
        if (!refused || attempt >= 5) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      } finally {
        balancer.end(replica, undefined);
      }
    }
  };
  const running = Array.from({ length: concurrency }, async () => {
    while (!stopped) {
      await one().catch((error: unknown) => failures.push(error));
      calls++;
      for (const arrived of arrivals) arrived();
    }
  });
  return {
    /** Resolves when so many calls have ended. */
    after(count: number): Promise<void> {
      return new Promise((resolve) => {
        const check = () => {
          if (calls < count) return;
          arrivals.delete(check);
          resolve();
        };
        arrivals.add(check);
      });
    },
    async stop() {
      stopped = true;
      await Promise.all(running);
      balancer.close();
      return { failures, versions };
    },
  };
}
