/** The engine of one machine: hosts are child processes on loopback, reconciled towards the desired state. */
import { type Clock, every } from "#core/clock.ts";
import { coalesce } from "#core/coalesce.ts";
import type { Random } from "#core/random.ts";
import { ServiceError } from "#core/service-error.ts";
import type { HostAssignment, ToHost } from "../../host/control.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { type DesiredHost, type DesiredState, generationsOf, weightOf } from "../desired-state.ts";
import { type Engine, type EngineStatus, toRolloutStatus } from "../engine.ts";
import { drainMsOf, HostSpec, type HostSpecInput, isOwnHost, whyNotReplicas } from "../host-spec.ts";
import { createObservers } from "../observers.ts";
import { returned } from "../rollout.ts";
import { createRolloutDriver, LOOK_MS } from "../rollout-driver.ts";
import { createProbe } from "./health-probe.ts";
import type { HostPool } from "./host-pool.ts";
import { rotateLog } from "./log-file.ts";
import { plan } from "./plan.ts";
import { Seat, SEAT_TIMING, type SeatDeps, type SeatTiming } from "./seat.ts";
import { createTopologyFeed } from "./topology-feed.ts";

export interface EmbeddedEngineOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly pool: HostPool;
  readonly desired: DesiredState;
  /** What every assignment holds. */
  readonly organism: Pick<HostAssignment, "namespace" | "dataDir" | "databaseUrl" | "bindAddress" | "publicKey">;
  /** Live configuration by service name. */
  readonly config: HostAssignment["config"];
  /** A token for one host's own calls, good for more than `tokenRenewMs`. */
  mintToken(spec: HostSpec): Promise<string>;
  /** @default 30 minutes */
  readonly tokenRenewMs?: number;
  readonly timing?: Partial<SeatTiming>;
  /** How often the desired state is read without being asked to. @default 5000 */
  readonly sweepMs?: number;
  /** After this the topology counts as settled, whoever is missing. @default 20000 */
  readonly settleMs?: number;
}

export interface EmbeddedEngine extends Engine {
  /** Begins to reconcile. */
  start(): Promise<void>;
  /** Reads the desired state now rather than at the next sweep. */
  refresh(): Promise<void>;
  /** Gives every host new live configuration. */
  configure(config: HostAssignment["config"]): void;
  /** Calls `listener` after changes of the status, several at once as one. */
  onStatus(listener: (status: EngineStatus) => void): void;
  /** Ends everything without waiting. */
  kill(): Promise<void>;
}

/** What a person's own host is given instead of the organism's. */
const OWN = { dataDir: "", databaseUrl: "", config: {}, engine: { kind: "embedded", hosts: [] } } as const;
/** Changes that come together are told together. */
const GATHER_MS = 20;

export function createEmbeddedEngine(options: EmbeddedEngineOptions): EmbeddedEngine {
  const { clock, log, pool, desired } = options;
  const feed = createTopologyFeed();
  const { probe, close: closeProbe } = createProbe();
  // The time makes it unique over the lives of the organism.
  // As hosts do: Linux spreads connections over all who listen on a port (SO_REUSEPORT).
  const sharesPorts = process.platform === "linux";
  const life = clock.now().toString(36);
  const stops: (() => void)[] = [];
  const observers = createObservers(clock);
  const listeners: ((status: EngineStatus) => void)[] = [];
  let incarnations = 0;
  let wanted: readonly DesiredHost[] = [];
  let seats: Seat[] = [];
  let config = options.config;
  let settled = false;
  let stopping = false;
  let tellLater: (() => void) | undefined;
  let reconciling = false;
  let reconcileAgain = false;

  const deps: SeatDeps = {
    clock,
    random: options.random,
    log,
    pool,
    probe,
    timing: { ...SEAT_TIMING, ...options.timing },
    nextIncarnation: () => `${life}${(++incarnations).toString(36)}`,
    async assign(replicaId, spec): Promise<ToHost> {
      const token = await options.mintToken(spec);
      const assignment = {
        ...options.organism,
        replicaId,
        spec,
        token,
        config,
        topology: feed.current(),
        engine: status(),
        ...(isOwnHost(spec) && OWN),
      };
      return { type: "assign", assignment };
    },
    changed: () => reconcile(),
    desiredChanged: () => void refresh(),
  };

  const rollouts = createRolloutDriver({
    clock,
    log,
    desired,
    mintToken: options.mintToken,
    view({ spec, generation }) {
      const own = seats.filter((seat) => seat.spec.name === spec.name && seat.generation === generation);
      const replicas = own.flatMap((seat) => seat.replica ?? []);
      const failure = own.find((seat) => seat.failure !== undefined)?.failure;
      return { replicas, isReady: replicas.length >= spec.replicas, failure };
    },
  });

  function broadcast(message: ToHost): void {
    const isInner = message.type === "engine" || message.type === "configure";
    for (const seat of seats) if (!(isInner && isOwnHost(seat.spec))) seat.send(message);
  }

  function status(): EngineStatus {
    const names = new Set([...wanted.map(({ spec }) => spec.name), ...seats.map(({ spec }) => spec.name)]);
    const hosts = [...names].flatMap((name) => {
      const own = seats.filter(({ spec }) => spec.name === name);
      const want = wanted.find(({ spec }) => spec.name === name);
      const spec = want?.spec ?? own[0]?.spec;
      if (spec === undefined) return [];
      const rollout = want?.rollout && toRolloutStatus(want.rollout);
      return [{ spec, generation: want?.generation ?? 0, replicas: own.map((seat) => seat.status), rollout }];
    });
    return { kind: "embedded", hosts };
  }

  /** Whoever is missing or too many, in words; empty when observed equals desired. */
  function differences(): string[] {
    const found: string[] = [];
    for (const { spec, generation } of wanted.flatMap(generationsOf)) {
      for (let number = 0; number < spec.replicas; number++) {
        const seat = seats.find(
          (one) => one.spec.name === spec.name && one.number === number && one.generation === generation,
        );
        if (seat?.kind === "ready") continue;
        found.push(`${spec.name}/${number} is ${seat?.account ?? "not started"}`);
      }
    }
    for (const seat of seats) {
      const want = wanted.find(({ spec }) => spec.name === seat.spec.name);
      const isWanted = want && generationsOf(want).some(({ generation }) => generation === seat.generation);
      if (isWanted && seat.number < want.spec.replicas) continue;
      found.push(`${seat.status.id} is still ${seat.kind}`);
    }
    return found;
  }

  /** A step can change a seat at once and so ask for this again: then it runs once more, not within itself. */
  function reconcile(): void {
    reconcileAgain = true;
    if (reconciling) return;
    reconciling = true;
    while (reconcileAgain) {
      reconcileAgain = false;
      // Publish before anyone is drained, so that callers know the new replica when the old one refuses.
      publish();
      for (const step of stopping ? [] : plan(wanted, seats, { sharesPorts })) {
        if (step.type === "leave") step.seat.leave();
        else seats.push(new Seat(step.number, step.host.generation, step.host.spec, deps));
      }
      seats = seats.filter((seat) => seat.kind !== "stopped");
      publish();
    }
    reconciling = false;
    observers.changed();
    tellLater ??= clock.after(GATHER_MS, () => {
      tellLater = undefined;
      const engine = status();
      broadcast({ type: "engine", engine });
      for (const listener of listeners) listener(engine);
    });
  }

  function publish(): void {
    settled ||= wanted.length > 0 && differences().length === 0;
    const replicas = seats
      .flatMap((seat) => (seat.replica === undefined ? [] : { ...seat.replica, weight: weightOfSeat(seat) }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    feed.publish(replicas, settled ? "settled" : "settling");
  }

  function weightOfSeat({ spec, generation }: Seat): number {
    const want = wanted.find((one) => one.spec.name === spec.name);
    return want === undefined ? 1 : weightOf(want, generation);
  }

  /** Looks at the rollouts, and follows what has become of them. */
  async function lookAtRollouts(): Promise<void> {
    try {
      if (await rollouts.look(wanted)) await refresh();
    } catch (error) {
      log.warn({ err: error }, "a rollout cannot go on; it is tried again");
    }
  }

  /** Reads the desired state and follows it; a call during a reading makes it read once more. */
  const refresh = coalesce(async () => {
    if (stopping) return;
    const list = await desired.list();
    if (stopping) return;
    const before = JSON.stringify(wanted);
    wanted = list;
    if (JSON.stringify(wanted) !== before) reconcile();
  });

  async function sweep(): Promise<void> {
    try {
      await refresh();
    } catch (error) {
      log.warn({ err: error }, "the desired state cannot be read; the last known one stands");
    }
    for (const name of new Set(seats.map(({ spec }) => spec.name))) await rotateLog(pool.logFile(name)).catch(() => {});
  }

  async function renewTokens(): Promise<void> {
    for (const seat of seats) seat.send({ type: "token", token: await options.mintToken(seat.spec) });
  }

  async function leave(chosen: readonly Seat[]): Promise<void> {
    for (const seat of chosen) seat.leave();
    const longest = Math.max(0, ...chosen.map(({ spec }) => drainMsOf(spec))) + 2_000;
    await observers.until(
      () => chosen.every((seat) => seat.kind === "stopped"),
      longest,
      () => undefined,
    );
    for (const seat of chosen) if (seat.kind !== "stopped") seat.kill();
  }

  function end(): void {
    stopping = true;
    tellLater?.();
    for (const stop of stops.splice(0)) stop();
    rollouts.close();
    observers.changed();
  }

  return {
    topology: feed,
    status,
    refresh,
    async start() {
      stops.push(feed.watch((topology) => broadcast({ type: "topology", topology })));
      stops.push(every(clock, options.sweepMs ?? 5_000, sweep));
      stops.push(every(clock, LOOK_MS, lookAtRollouts));
      stops.push(
        every(clock, options.tokenRenewMs ?? 30 * 60_000, () =>
          renewTokens().catch((error: Error) => log.error({ err: error }, "tokens could not be renewed")),
        ),
      );
      stops.push(
        clock.after(options.settleMs ?? 20_000, () => {
          settled = true;
          publish();
        }),
      );
      await refresh();
      pool.discard();
    },
    async deploy(input: HostSpecInput) {
      const spec = HostSpec.safeParse(input);
      if (!spec.success)
        throw new ServiceError("INVALID_INPUT", `This host spec cannot be used: ${spec.error.message}`);
      refuseImpossible(spec.data, spec.data.replicas);
      await desired.put(spec.data);
      await refresh();
    },
    async remove(host) {
      await desired.remove(host);
      await refresh();
    },
    async scale(host, replicas) {
      const spec = (await desired.list()).find((one) => one.spec.name === host)?.spec;
      if (!spec) throw new ServiceError("NOT_FOUND", `There is no host "${host}".`);
      refuseImpossible(spec, replicas);
      await desired.scale(host, replicas);
      await refresh();
    },
    async restart(host) {
      await desired.restart(host);
      await refresh();
    },
    async rollOut(input, plan) {
      const spec = HostSpec.safeParse(input);
      if (!spec.success)
        throw new ServiceError("INVALID_INPUT", `This host spec cannot be used: ${spec.error.message}`);
      await desired.startRollout(spec.data.name, () => spec.data, { ...plan, nowMs: clock.now() });
      await refresh();
    },
    async abortRollout(host) {
      await desired.changeRollout(host, (rollout) => returned(rollout, "it was aborted", clock.now()));
      await refresh();
    },
    async settled(timeoutMs) {
      await observers.until(
        () => stopping || differences().length === 0,
        timeoutMs,
        () => new ServiceError("UNAVAILABLE", `After ${timeoutMs} ms ${differences().join("; ")}.`),
      );
      if (stopping) throw new ServiceError("UNAVAILABLE", "The engine was stopped.");
    },
    configure(next) {
      config = next;
      broadcast({ type: "configure", config });
    },
    onStatus: (listener) => void listeners.push(listener),
    async stop() {
      end();
      // First the doors, so that what is under way behind them can still be finished.
      await leave(seats.filter(({ spec }) => spec.port !== 0));
      await leave(seats);
      closeProbe();
      await pool.close();
    },
    async kill() {
      end();
      for (const seat of seats) {
        seat.leave();
        seat.kill();
      }
      closeProbe();
      await pool.close();
    },
  };
}

function refuseImpossible(spec: HostSpec, replicas: number): void {
  if (!Number.isInteger(replicas) || replicas < 0 || replicas > 64) {
    throw new ServiceError("INVALID_INPUT", `${replicas} is no count of replicas: use 0 to 64.`);
  }
  const why = whyNotReplicas(spec, replicas, "embedded");
  if (why !== undefined) throw new ServiceError("INVALID_INPUT", why);
}
