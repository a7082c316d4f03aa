/** The engine of a Ray cluster: Serve places, starts, watches and stops the replicas; this decides which there should be. */
import { type Clock, every, sleep } from "#core/clock.ts";
import { coalesce } from "#core/coalesce.ts";
import { ServiceError } from "#core/service-error.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Topology } from "../../topology.ts";
import {
  type DesiredGeneration,
  type DesiredHost,
  type DesiredState,
  generationsOf,
  weightOf,
} from "../desired-state.ts";
import type { ClusterApplication, Engine, EngineStatus } from "../engine.ts";
import { HostSpec, type HostSpecInput, isOwnHost } from "../host-spec.ts";
import { createObservers } from "../observers.ts";
import { returned } from "../rollout.ts";
import { createRolloutDriver, type GenerationView, LOOK_MS } from "../rollout-driver.ts";
import { depositKey } from "./application-name.ts";
import { type ApplicationOptions, routeOf, toApplicationConfig } from "./application.ts";
import { createCodeKeeper } from "./code-keeper.ts";
import { type Codeless, observe, type Observed, observedStatus } from "./observation.ts";
import { plan } from "./plan.ts";
import type { HostDeposit, Registry, RegistryStatus } from "./registry.ts";
import { RestartCounter } from "./restart-counter.ts";
import type { Serve } from "./serve.ts";
import { takeDown } from "./take-down.ts";

export interface RayEngineOptions extends ApplicationOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly serve: Serve;
  readonly registry: Registry;
  readonly desired: DesiredState;
  /** Its routes have no namespace in front of them. */
  readonly defaultNamespace: string;
  /** A token for one host's own calls. */
  mintToken(spec: HostSpec): Promise<string>;
  /** What only this host may know. */
  secretOf?(spec: HostSpec): unknown;
  /** Whether it takes the steps of rollouts: one engine of an organism does. @default true */
  readonly drivesRollouts?: boolean;
  /** How often the cluster is looked at while something is to be waited for. @default 400 */
  readonly busyPollMs?: number;
  /** How often otherwise. @default 5000 */
  readonly idlePollMs?: number;
}

export interface RayEngine extends Engine {
  /** Begins to reconcile. Resolves when the registry has answered. Does nothing once it is detached. */
  start(): Promise<void>;
  /** Calls `listener` after each look at the cluster. */
  onStatus(listener: (status: EngineStatus) => void): void;
  /** What Serve has of the organism, as it was at the last look. */
  applications(): readonly ClusterApplication[];
  /** Gives every host a new token. */
  renewTokens(): Promise<void>;
  /** Ends this process's part; what runs on the cluster goes on. */
  detach(): Promise<void>;
}

/** What a person's own host is given instead of the organism's. */
const OWN = { dataDir: "", databaseUrl: "", config: {}, engine: { kind: "ray", hosts: [] } } as const;
const LISTEN_MS = 20_000;
const RETRY_MS = 500;
/** Ray keeps a package that nobody uses for ten minutes. */
const KEEP_MS = 240_000;
const NOTHING_YET: Topology = { version: -1, epoch: "", state: "settling", replicas: [] };

export async function createRayEngine(options: RayEngineOptions): Promise<RayEngine> {
  const { clock, log, namespace, serve, registry, desired } = options;
  const listeners = new Set<(topology: Topology) => void>();
  const statusListeners: ((status: EngineStatus) => void)[] = [];
  const observers = createObservers(clock);
  const ended = new AbortController();
  const restarts = new RestartCounter();
  const code = createCodeKeeper({ serve, clock, log });
  const keepPackages = () => code.keep(wanted);
  let topology = await registry.listen(NOTHING_YET, 0, ended.signal);
  let wanted: readonly DesiredHost[] = [];
  let observed: readonly Observed[] = [];
  let stopping = false;
  let wake = () => {};

  function status(): EngineStatus {
    const names = new Set([...wanted.map(({ spec }) => spec.name), ...observed.map(({ host }) => host)]);
    const hosts = [...names].map((name) =>
      observedStatus(name, { wanted, observed, codeless: code.missing(), restarts }),
    );
    return { kind: "ray", hosts: hosts.filter((host) => host !== undefined) };
  }

  function codelessOf(host: string, generation: number): Codeless | undefined {
    return code.missing().find((one) => one.host === host && one.generation === generation);
  }

  function differences(): string[] {
    // Of two generations of a host it is the same sentence.
    const found = [...new Set(code.missing().map(({ host, reason }) => `${host} cannot start: ${reason}`))];
    if (topology.state === "settling" && wanted.some(({ spec }) => spec.replicas > 0)) {
      found.push("the registry waits for the replicas to report");
    }
    for (const { spec, generation } of wanted.flatMap(generationsOf)) {
      if (codelessOf(spec.name, generation) !== undefined) continue;
      const present = observed.find((one) => one.host === spec.name && one.generation === generation);
      if (present === undefined) {
        if (spec.replicas > 0) found.push(`${spec.name} is not deployed yet`);
        continue;
      }
      const ready = present.readyReplicas;
      if (present.targetReplicas !== spec.replicas) found.push(`${spec.name} is being scaled to ${spec.replicas}`);
      else if (ready < spec.replicas) found.push(missing(present, spec.replicas));
      else if (present.replicas.length > spec.replicas) found.push(`a replica of ${spec.name} is still stopping`);
    }
    for (const one of observed) {
      const isWanted = wanted
        .flatMap(generationsOf)
        .some(({ spec, generation }) => spec.name === one.host && generation === one.generation);
      if (!isWanted) found.push(`${one.name} is still ${one.replicas.length > 0 ? "serving" : "being removed"}`);
    }
    return found;
  }

  /** One look and, when something should be otherwise, one step; whether there was one. */
  async function cycle(): Promise<boolean> {
    const [list, applications, leases] = await Promise.all([desired.list(), serve.read(), registry.status()]);
    wanted = list;
    const before = observed;
    adopt(leases.topology);
    take(applications, leases);
    if (stopping || leases.isDown) return false;
    await forget(before.filter((one) => !observed.some(({ name }) => name === one.name)));
    const deployed = observed.filter(({ isLeaving }) => !isLeaving);
    const next = await code.cleared(plan(wanted, deployed), wanted);
    const isSettled = leases.topology.state === "settled";
    const isWanted = ({ host }: Observed) => wanted.some(({ spec }) => spec.name === host);
    // While leases are coming back, one that serves may look as if it did not.
    const stop = isSettled ? next.stop : next.stop.filter((one) => !isWanted(one));
    const keep = observed.filter((one) => !one.isLeaving && !stop.includes(one));
    await weigh(keep, leases);
    const routes = routesOf(keep, isSettled);
    const add = next.start.map((host) => {
      const { name } = host.spec;
      // Beside one that serves it gets the route when it serves, too.
      const isAlone = !keep.some((one) => one.host === name);
      const route = isAlone ? routeOf(namespace, name, options.defaultNamespace) : null;
      return toApplicationConfig(host, route, options);
    });
    const movesRoute = keep.some((one) => (one.config.route_prefix ?? null) !== routes.get(one.name));
    if (add.length > 0 || stop.length > 0 || movesRoute) {
      await deposit(next.start);
      log.info({ start: add.map(({ name }) => name), stop: stop.map(({ name }) => name) }, "applications change");
      await serve.change({ keep: routes, add });
    }
    for (const { application, replicas } of next.scale) {
      log.info({ application: application.name, replicas }, "an application is scaled");
      await serve.scale(application.name, replicas);
    }
    return add.length + stop.length + next.scale.length > 0 || movesRoute;
  }

  function take(applications: Awaited<ReturnType<Serve["read"]>>, leases: RegistryStatus): void {
    observed = observe(namespace, applications, leases);
    restarts.look(observed);
    observers.changed();
    if (statusListeners.length === 0) return;
    const now = status();
    for (const listener of statusListeners) listener(now);
  }

  /** Makes the registry give every application the weight it should have. */
  async function weigh(kept: readonly Observed[], leases: RegistryStatus): Promise<void> {
    const hosts: Record<string, HostDeposit> = {};
    for (const one of kept) {
      const weight = weightIn(one.host, one.generation);
      const key = depositKey(one);
      if ((leases.hosts[key]?.weight ?? 1) !== weight) hosts[key] = { weight };
    }
    if (Object.keys(hosts).length > 0) await registry.deposit({ hosts });
  }

  function weightIn(host: string, generation: number): number {
    const want = wanted.find(({ spec }) => spec.name === host);
    return want === undefined ? 1 : weightOf(want, generation);
  }

  function view({ spec, generation }: DesiredGeneration): GenerationView {
    const application = observed.find((one) => one.host === spec.name && one.generation === generation);
    // Nothing will come of waiting for it.
    const missingCode = codelessOf(spec.name, generation)?.reason;
    if (application === undefined) return { replicas: [], isReady: spec.replicas === 0, failure: missingCode };
    const { name, replicas, failure } = application;
    const serving = replicas.flatMap(({ id, state }) => (state.kind === "ready" ? { id, address: state.address } : []));
    const wasLost = replicas.some(({ servedId }) => restarts.of(name, servedId) > 0);
    const isGivenUp = replicas.length === 0 && failure !== undefined;
    const ended = wasLost || isGivenUp ? (failure ?? "a replica ended and was started again") : undefined;
    return { replicas: serving, isReady: serving.length >= spec.replicas, failure: missingCode ?? ended };
  }

  const rollouts = createRolloutDriver({ clock, log, desired, view, mintToken: options.mintToken });
  async function lookAtRollouts(): Promise<void> {
    try {
      if (await rollouts.look(wanted)) wake();
    } catch (error) {
      log.warn({ err: error }, "a rollout cannot go on; it is tried again");
    }
  }

  /**
   * By application, its route: the newest of each host that serves has it, else the newest. That of a rollout gets it when
   * the rollout has finished: a route cannot be shared. While nobody knows who serves, it stays where it is.
   */
  function routesOf(kept: readonly Observed[], isSettled: boolean): Map<string, string | null> {
    const routes = new Map<string, string | null>(kept.map(({ name }) => [name, null]));
    for (const host of new Set(kept.map((one) => one.host))) {
      const present = wanted.find(({ spec }) => spec.name === host)?.generation ?? Number.POSITIVE_INFINITY;
      const newest = kept
        .filter((one) => one.host === host)
        .sort((a, b) => Number(a.generation > present) - Number(b.generation > present) || b.generation - a.generation);
      const route = routeOf(namespace, host, options.defaultNamespace);
      const held = isSettled ? undefined : newest.find(({ config }) => config.route_prefix === route);
      const holder = held ?? newest.find(({ readyReplicas }) => readyReplicas > 0) ?? newest[0];
      if (holder !== undefined) routes.set(holder.name, route);
    }
    return routes;
  }

  /** What their replicas need is there before Serve can start one. */
  async function deposit(start: readonly DesiredGeneration[]): Promise<void> {
    if (start.length === 0) return;
    const hosts: Record<string, HostDeposit> = {};
    for (const { spec, generation } of start) {
      const key = depositKey({ host: spec.name, version: spec.version, generation });
      const secret = options.secretOf?.(spec);
      hosts[key] = {
        token: await options.mintToken(spec),
        env: spec.env,
        weight: weightIn(spec.name, generation),
        ...(secret === undefined ? {} : { secret }),
        ...(isOwnHost(spec) && { instead: OWN }),
      };
    }
    await registry.deposit({ hosts });
  }

  /** Nobody starts a replica of an application that is gone. */
  async function forget(gone: readonly Observed[]): Promise<void> {
    if (gone.length === 0) return;
    await registry.deposit({ hosts: Object.fromEntries(gone.map((one) => [depositKey(one), null])) });
  }

  /** Looks until nothing is to be done; a call during a look makes one more. */
  const look = coalesce(async () => {
    while ((await cycle()) && !ended.signal.aborted);
  });

  async function keepLooking(): Promise<void> {
    let isHeard = true;
    while (!ended.signal.aborted) {
      try {
        await look();
        isHeard = true;
      } catch (error) {
        if (ended.signal.aborted) return;
        if (isHeard) log.warn({ err: error }, "the cluster cannot be looked at; it is tried again");
        isHeard = false;
      }
      const pauseMs = differences().length > 0 ? (options.busyPollMs ?? 400) : (options.idlePollMs ?? 5_000);
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      await Promise.race([woken, sleep(clock, pauseMs, ended.signal).catch(() => {})]);
    }
  }

  /** Whether it was news. */
  function adopt(next: Topology): boolean {
    if (next.epoch === topology.epoch && next.version <= topology.version) return false;
    topology = next;
    for (const listener of listeners) listener(topology);
    return true;
  }

  async function follow(): Promise<void> {
    while (!ended.signal.aborted) {
      try {
        if (adopt(await registry.listen(topology, LISTEN_MS, ended.signal))) wake();
      } catch {
        // What is known stays in use while the registry is away.
        await sleep(clock, RETRY_MS, ended.signal).catch(() => {});
      }
    }
  }

  async function followDesired(): Promise<void> {
    let seen = -1;
    while (!ended.signal.aborted) {
      try {
        seen = await registry.listenDesired(seen, LISTEN_MS, ended.signal);
        wake();
      } catch {
        await sleep(clock, RETRY_MS, ended.signal).catch(() => {});
      }
    }
  }

  const loops: Promise<void>[] = [];
  const stops: (() => void)[] = [];
  async function detach(): Promise<void> {
    ended.abort(new ServiceError("CANCELLED", "The engine was detached."));
    for (const stop of stops) stop();
    rollouts.close();
    wake();
    await Promise.allSettled(loops);
  }

  return {
    topology: {
      current: () => topology,
      watch(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    status,
    applications: () =>
      observed.map(({ name, status: state, config }) => ({ name, state, route: config.route_prefix ?? null })),
    async start() {
      if (!ended.signal.aborted) await look();
      if (ended.signal.aborted) return;
      loops.push(keepLooking(), follow(), followDesired());
      stops.push(every(clock, KEEP_MS, keepPackages));
      if (options.drivesRollouts !== false) stops.push(every(clock, LOOK_MS, lookAtRollouts));
      await keepPackages();
    },
    async deploy(input: HostSpecInput) {
      const spec = HostSpec.safeParse(input);
      if (!spec.success) {
        throw new ServiceError("INVALID_INPUT", `This host spec cannot be used: ${spec.error.message}`);
      }
      refuseImpossible(spec.data.replicas);
      await desired.put(spec.data);
      await look();
    },
    async remove(host) {
      await desired.remove(host);
      await look();
    },
    async scale(host, replicas) {
      const known = (await desired.list()).some(({ spec }) => spec.name === host);
      if (!known) throw new ServiceError("NOT_FOUND", `There is no host "${host}".`);
      refuseImpossible(replicas);
      await desired.scale(host, replicas);
      await look();
    },
    async restart(host) {
      await desired.restart(host);
      await look();
    },
    async rollOut(input, steps) {
      const spec = HostSpec.safeParse(input);
      if (!spec.success) {
        throw new ServiceError("INVALID_INPUT", `This host spec cannot be used: ${spec.error.message}`);
      }
      await desired.startRollout(spec.data.name, () => spec.data, { ...steps, nowMs: clock.now() });
      await look();
    },
    async abortRollout(host) {
      await desired.changeRollout(host, (rollout) => returned(rollout, "it was aborted", clock.now()));
      await look();
    },
    async settled(timeoutMs) {
      // What was seen last may be older than what has happened since.
      await look();
      await observers.until(
        () => differences().length === 0,
        timeoutMs,
        () => new ServiceError("UNAVAILABLE", `After ${timeoutMs} ms ${differences().join("; ")}.`),
      );
    },
    renewTokens: () => deposit(wanted.flatMap(generationsOf)),
    onStatus: (listener) => void statusListeners.push(listener),
    detach,
    async stop() {
      stopping = true;
      await look().catch(() => {});
      try {
        await takeDown({ serve, registry, clock });
        await registry.forget();
      } finally {
        await detach();
      }
    },
  };
}

function missing({ host, replicas, readyReplicas, failure }: Observed, wantedReplicas: number): string {
  const doing = replicas
    .filter(({ kind }) => kind !== "ready")
    .map(({ state }) => (state.kind === "starting" && state.reason ? `starting (${state.reason})` : state.kind));
  const state = doing.length > 0 ? [...new Set(doing)].join(" and ") : "starting";
  const count = wantedReplicas === 1 ? "" : `, ${readyReplicas} of ${wantedReplicas} ready`;
  return `${host} is ${state}${count}${failure === undefined ? "" : `, because ${failure}`}`;
}

function refuseImpossible(replicas: number): void {
  if (!Number.isInteger(replicas) || replicas < 0 || replicas > 64) {
    throw new ServiceError("INVALID_INPUT", `${replicas} is no count of replicas: use 0 to 64.`);
  }
}
