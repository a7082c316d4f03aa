/** An organism on a two-node cluster of its own, under load, and what a fault does to it. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import { type Connection, openConnection } from "#app/connection.ts";
import { resolveTarget } from "#app/connect-target.ts";
import type { HostInfo } from "#contracts/telemetry.ts";
import { systemClock } from "#core/clock.ts";
import { readServe } from "#runtime/ray/rest/serve-details.ts";
import type { Ray } from "#runtime/ray/ray.ts";
import { createRayRest, type RayRest } from "#runtime/ray/rest/transport.ts";
import { freePort } from "../../free-ports.ts";
import { startCluster, type ThrowAwayCluster } from "../cluster/cluster.ts";
import { isAlive, RayOrganism } from "../ray-organism.ts";
import { quantile } from "../../../bench/quantile.ts";
import { openRay } from "./head-loss.ts";
import { type CallRecord, type Load, startLoad } from "./load.ts";
import { Members, type Travelled } from "./members.ts";

export interface FaultResult {
  readonly offered: number;
  readonly attempts: number;
  /** The same in the fault's own window, as long as a deadline: over all of it a storm of repeats is diluted. */
  readonly inWindow: { readonly offered: number; readonly attempts: number };
  readonly failed: readonly CallRecord[];
  /** Calls that took longer than SLOW_MS, or failed. */
  readonly slow: number;
  /** Of the calls of the five seconds before. */
  readonly p99BeforeMs: number;
  /** Of the calls that were sent in the second after the fault. */
  readonly p99Ms: number;
  /** From the fault until the last call that failed, or took longer than SLOW_MS, had ended; 0 when none did. */
  readonly recoveredMs: number;
  /** Until the end of the last second in which more than one call in ten failed or took longer than SLOW_MS; 0 when in none. */
  readonly disturbedMs: number;
  /** Until `status` called nothing ready any more that did not answer; undefined when no host was struck. */
  readonly toldMs: number | undefined;
  /** Until everything was there again. */
  readonly healedMs: number;
  /** Replicas that were not struck and were missing from a client's list at some time. */
  readonly dropped: readonly string[];
  /** How the changes of the membership reached those who call. */
  readonly travelled: Travelled;
  /** Node hosts that still live after 20 s and belong to no replica. */
  readonly orphans: readonly number[];
  /** What became of the calls on the fault's other ways. */
  readonly ways: readonly WayResult[];
}

/** A way to ml other than straight to its replicas. */
export interface Way {
  readonly name: string;
  /** What of it may fail: nothing, or whatever is sent until what was struck is back. */
  readonly loses: "nothing" | "until back";
  /** One call. */
  readonly call: () => Promise<unknown>;
  readonly close: () => Promise<void>;
}

export interface WayResult extends Pick<Way, "name" | "loses"> {
  readonly calls: readonly CallRecord[];
  readonly failed: readonly CallRecord[];
  /** From the fault until the last failed call had ended; 0 when none failed. */
  readonly recoveredMs: number;
}

/** Processes that a fault struck. */
export interface Struck {
  /** They must be gone for good. */
  readonly ended: readonly number[];
  /** They live and do not answer. */
  readonly silent?: readonly number[];
}

export interface Fault {
  readonly name: string;
  /** Other ways that are under load meanwhile; opened before it is done. */
  openWays?(run: FaultRun): Promise<readonly Way[]>;
  /** Does it. */
  cause(run: FaultRun): Promise<Struck>;
  /** Brings back what does not come back by itself; after `status` has told. */
  repair?(run: FaultRun): Promise<void>;
  /** Whether what was struck works again, where that is no replica. */
  isBack?(run: FaultRun, struck: Struck): Promise<boolean>;
  /** How soon it is promised to be back. */
  readonly backWithinMs?: number;
}

/** How long what a fault takes away may be away, in milliseconds. */
export const PROMISED = {
  /** Until `status` tells the truth. */
  toldMs: 20_000,
  /** Until the registry has all leases again. */
  registryMs: 5_000,
  /** On the way that data takes, where another replica lives. */
  recoveredMs: 2_000,
  /** Until a change of the membership is in everybody's list. */
  travelMs: 1_000,
} as const;

export const SLOW_MS = 500;
/** In a second in which more of the calls are slow, the fault is not over; a single one may have met a pause of the machine. */
const SLOW_SHARE = 0.1;
const DEADLINE_MS = 2_000;
const STEADY_MS = 5_000;
/** Long enough for every lease and health check to have its say. */
const WATCH_MS = 15_000;
const ORPHAN_MS = 20_000;
/** Several times what is promised, so that only what never comes fails. */
const TELL_WITHIN_MS = 3 * PROMISED.toldMs;
const HEAL_WITHIN_MS = 180_000;

export class FaultRun {
  readonly cluster: ThrowAwayCluster;
  readonly organism: RayOrganism;
  readonly connection: Connection;
  readonly load: Load;
  /** A session with the head. */
  readonly ray: Ray;
  readonly #rest: RayRest;
  readonly #token: string;

  private constructor(
    cluster: ThrowAwayCluster,
    organism: RayOrganism,
    connection: Connection,
    { token, port }: { readonly token: string; readonly port: number },
  ) {
    this.cluster = cluster;
    this.organism = organism;
    this.connection = connection;
    this.#token = token;
    this.#rest = createRayRest({ url: cluster.dashboardUrl, token: () => cluster.token, clock: systemClock });
    this.ray = openRay(this);
    const ml = connection.getServiceClient("ml");
    this.load = startLoad({
      call: () => ml.status({}, { deadlineMs: DEADLINE_MS }),
      isAttempt: ({ origin, path }) => path === "/ml/status" && String(origin).endsWith(`:${port}`),
    });
  }

  static async start(): Promise<FaultRun> {
    const cluster = await startCluster({ workers: 1 });
    const port = await freePort();
    const organism = await RayOrganism.create(cluster, "seedcore-dev", {
      // A fixed port, so that no node gets both.
      hosts: { ml: { replicas: 2, port }, gateway: { replicas: 2 } },
    }).catch(async (error: unknown) => {
      await cluster.stop();
      throw error;
    });
    try {
      const { urlWithToken } = await organism.json<{ urlWithToken: string }>("up");
      const [, token = ""] = urlWithToken.split("#token=");
      const target = resolveTarget({}, organism.environment);
      return new FaultRun(cluster, organism, await openConnection(target, () => {}), { token, port });
    } catch (error) {
      await cluster.stop();
      await organism.destroy();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.load.stop();
    await this.connection.close();
    await this.ray[Symbol.asyncDispose]();
    await this.#rest.close();
    await this.cluster.stop();
    await this.organism.destroy();
  }

  /** What `status` shows; it waits for whoever answers. */
  async hosts(): Promise<readonly HostInfo[]> {
    return (await this.connection.getServiceClient("telemetry").status({}, { deadlineMs: DEADLINE_MS })).hosts;
  }

  /** Whether Serve's controller answers, all that it was told to run runs, and its route leads there. */
  async isServing(): Promise<boolean> {
    const applications = Object.values((await readServe(this.#rest)).applications);
    return applications.length > 0 && applications.every(({ status }) => status === "RUNNING") && this.hasRoute();
  }

  /** Whether a call through Serve's proxy arrives. */
  hasRoute(): Promise<boolean> {
    return this.callRoute().then(
      () => true,
      () => false,
    );
  }

  /** A call through Serve's proxy. @throws Error when it is not answered in time, or with a refusal */
  async callRoute(): Promise<void> {
    const { statusCode, body } = await request(`${this.cluster.serveUrl}/ml/status`, {
      headers: { authorization: `Bearer ${this.#token}` },
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`Serve's route answers ${statusCode}: ${text}`);
  }

  /** A client that sends every call through this gateway. */
  async openThrough(gatewayUrl: string): Promise<Pick<Way, "call" | "close">> {
    const options = { gateway: gatewayUrl, token: this.#token };
    const connection = await openConnection(resolveTarget(options, this.organism.environment), () => {});
    const ml = connection.getServiceClient("ml");
    return { call: () => ml.status({}, { deadlineMs: DEADLINE_MS }), close: () => connection.close() };
  }

  /** The process of a ready replica. */
  async pidOf(host: string, node?: string): Promise<number> {
    const replicas = (await this.hosts()).find(({ name }) => name === host)?.replicas ?? [];
    const found = replicas.find((one) => one.state === "ready" && (node === undefined || one.node === node));
    if (found === undefined || found.pid === null) throw new Error(`${host} has no ready replica.`);
    return found.pid;
  }

  /** Processes of the cluster by what `ps` shows of them. */
  pidsLike(pattern: RegExp): readonly number[] {
    return this.cluster
      .processes()
      .filter(({ commandLine }) => pattern.test(commandLine))
      .map(({ pid }) => pid);
  }

  /** A node's raylet, while it lives. */
  rayletsOf(node: string): readonly number[] {
    return this.pidsLike(new RegExp(`raylet/raylet .*--node_ip_address=${node.replaceAll(".", "\\.")}\\b`));
  }

  /** @throws Error when it does not heal */
  async suffer(fault: Fault): Promise<FaultResult> {
    await this.untilWhole();
    const opened = (await fault.openWays?.(this)) ?? [];
    const ways = opened.map((way) => ({ ...way, load: startLoad({ call: way.call, callers: 2 }) }));
    try {
      return await this.#suffer(fault, ways);
    } finally {
      await Promise.all(ways.map(({ load, close }) => load.stop().then(close)));
    }
  }

  async #suffer(fault: Fault, ways: readonly (Way & { readonly load: Load })[]): Promise<FaultResult> {
    await sleep(STEADY_MS);
    const { calls } = this.load;
    const before = (await this.hosts()).flatMap(({ replicas }) => replicas);
    const attemptsBefore = this.load.attempts();
    const offeredBefore = calls.length;
    const everybody = await Members.watch(this.connection, this.#token, this.ray, this.organism.namespace);
    const atMs = performance.now();
    const struck = await fault.cause(this);
    const out = new Set([...struck.ended, ...(struck.silent ?? [])]);
    const spared = before.filter(({ pid, state }) => state === "ready" && pid !== null && !out.has(pid));
    const hit = before.filter(({ pid }) => pid !== null && out.has(pid)).map(({ id }) => id);
    const members = this.#watchMembers(spared.map(({ id }) => id));
    const toldMs = hit.length > 0 ? await this.#since(atMs, () => this.#hasTold(out), TELL_WITHIN_MS) : undefined;
    await fault.repair?.(this);
    const isBack = async () => (await fault.isBack?.(this, struck)) ?? true;
    const healedMs = await this.#since(atMs, async () => (await isBack()) && (await this.#isWhole()));
    await sleep(Math.max(0, WATCH_MS - (performance.now() - atMs)));
    const offered = calls.slice(offeredBefore);
    const bad = offered.filter(isSlow);
    const startedIn = (fromMs: number, untilMs: number) =>
      calls.filter((one) => one.startedAtMs >= fromMs && one.startedAtMs < untilMs);
    const timesOf = (fromMs: number, untilMs: number) => startedIn(fromMs, untilMs).map(({ tookMs }) => tookMs);
    const untilMs = atMs + DEADLINE_MS;
    const underWay = calls.filter((one) => one.startedAtMs < atMs && one.startedAtMs + one.tookMs >= atMs);
    return {
      offered: offered.length,
      attempts: this.load.attempts() - attemptsBefore,
      inWindow: {
        offered: underWay.length + startedIn(atMs, untilMs).length,
        attempts: this.load.attempts(atMs, untilMs),
      },
      failed: offered.filter(({ failure }) => failure !== undefined),
      slow: bad.length,
      p99BeforeMs: quantile(timesOf(atMs - STEADY_MS, atMs - DEADLINE_MS), 0.99),
      p99Ms: quantile(timesOf(atMs, atMs + 1_000), 0.99),
      recoveredMs: lastEndMs(bad, atMs),
      disturbedMs: disturbance(offered, atMs),
      toldMs,
      healedMs,
      dropped: members.stop(),
      travelled: await everybody.stop(new Set(hit), atMs),
      orphans: await this.#orphans(struck.ended),
      ways: ways.map(({ name, loses, load }) => {
        const calls = [...load.calls];
        const failed = calls.filter(({ failure }) => failure !== undefined);
        return { name, loses, calls, failed, recoveredMs: lastEndMs(failed, atMs) };
      }),
    };
  }

  /** Looks all the time whether these are in this client's list. */
  #watchMembers(ids: readonly string[]): { stop(): readonly string[] } {
    const missing = new Set<string>();
    const timer = setInterval(() => {
      const present = new Set(this.connection.topology().replicas.map(({ id }) => id));
      for (const id of ids) if (!present.has(id)) missing.add(id);
    }, 50);
    return {
      stop() {
        clearInterval(timer);
        return [...missing];
      },
    };
  }

  async #hasTold(out: ReadonlySet<number>): Promise<boolean> {
    const shown = (await this.hosts()).flatMap(({ replicas }) => replicas.filter(({ state }) => state === "ready"));
    return shown.length > 0 && !shown.some(({ pid }) => pid !== null && out.has(pid));
  }

  async untilWhole(): Promise<void> {
    await this.#since(performance.now(), () => this.#isWhole());
  }

  /** Whether every host has as many ready replicas as it should, and clients know of them. */
  async #isWhole(): Promise<boolean> {
    const hosts = await this.hosts();
    const { replicas } = this.connection.topology();
    return hosts.every(({ name, spec, replicas: shown }) => {
      const ready = shown.filter(({ state, pid }) => state === "ready" && pid !== null && isAlive(pid)).length;
      return ready === spec["replicas"] && replicas.filter(({ host }) => host === name).length === ready;
    });
  }

  /** A replica that has just begun is not in `status` yet: only what stays unknown for a while is an orphan. */
  async #orphans(dead: readonly number[]): Promise<readonly number[]> {
    const giveUpAtMs = performance.now() + ORPHAN_MS;
    let left: readonly number[] = dead;
    do {
      left = await this.#unknown(dead).catch(() => left);
      if (left.length > 0) await sleep(500);
    } while (left.length > 0 && performance.now() < giveUpAtMs);
    return left;
  }

  async #unknown(dead: readonly number[]): Promise<readonly number[]> {
    const known = new Set((await this.hosts()).flatMap(({ replicas }) => replicas.map(({ pid }) => pid)));
    const hosts = this.pidsLike(/^\S*\bnode\b.* host\.js/);
    return [...hosts.filter((pid) => !known.has(pid)), ...dead.filter((pid) => isAlive(pid))];
  }

  async #since(atMs: number, isSo: () => Promise<boolean>, withinMs = HEAL_WITHIN_MS): Promise<number> {
    while (!(await isSo().catch(() => false))) {
      if (performance.now() - atMs > withinMs) {
        throw new Error(`It is not so after ${withinMs / 1_000} s: ${JSON.stringify(await this.hosts())}`);
      }
      await sleep(250);
    }
    return performance.now() - atMs;
  }
}

function isSlow({ failure, tookMs }: CallRecord): boolean {
  return failure !== undefined || tookMs > SLOW_MS;
}

/** From `atMs` until the last of them had ended; 0 when there is none. */
function lastEndMs(calls: readonly CallRecord[], atMs: number): number {
  return Math.max(0, ...calls.map(({ startedAtMs, tookMs }) => startedAtMs + tookMs - atMs));
}

/** From `atMs` until the end of the last second whose calls were too often slow. */
function disturbance(calls: readonly CallRecord[], atMs: number): number {
  const bySecond = Map.groupBy(calls, ({ startedAtMs }) => Math.floor((startedAtMs - atMs) / 1_000));
  const disturbed = [...bySecond].filter(([, begun]) => begun.filter(isSlow).length > SLOW_SHARE * begun.length);
  return Math.max(0, ...disturbed.map(([second]) => (second + 1) * 1_000));
}

/** The process that started this one. */
export function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}
