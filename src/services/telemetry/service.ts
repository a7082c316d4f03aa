/** The platform itself: what runs, how many of it, and the sources that are watched. */
import type { CompiledQuery } from "kysely";
import type { coordinator } from "#contracts/coordinator.ts";
import { type Rollout, type SourceStatus, telemetry } from "#contracts/telemetry.ts";
import type { InputOf } from "#core/contract.ts";
import type { Ids } from "#core/ids.ts";
import { ServiceError } from "#core/service-error.ts";
import { runDetached } from "#runtime/call.ts";
import type { DesiredState } from "#runtime/engine/desired-state.ts";
import { type HostSpec, isOwnHost, whyNotReplicas } from "#runtime/engine/host-spec.ts";
import type { EngineStatus } from "#runtime/engine/engine.ts";
import { returned } from "#runtime/engine/rollout.ts";
import { type HandlerContext, implement, type OwnedShards, type Service } from "#runtime/service.ts";
import type { Database } from "#runtime/storage/database.ts";
import type { Outbox } from "#runtime/storage/outbox.ts";
import type { CallHistory } from "./call-history.ts";
import type { TelemetryConfig } from "./config.ts";
import { aftermathOf, outcomeOf, toOwnSpec } from "./own-hosts.ts";
import { type ResidentBytes, toClusterInfo, toHostInfo, toHostInfos, toRollout } from "./platform-status.ts";
import type { RunnerDeps } from "./source-runner.ts";
import { createSourceSet, type OpenSource } from "./source-set.ts";
import type { SourceStore, StoredSource } from "./store.ts";

/** Outbox messages whose body is a change for the coordinator: incidents nearby in time show what was done here. */
export const CHANGE_TOPIC = "coordinator.reportChange";
export type ReportedChange = InputOf<(typeof coordinator)["procedures"]["reportChange"]>;

/** How long a person's own host may take to be ready; on Ray a node may have to fetch Python packages first. */
const READY_WITHIN_MS = { embedded: 60_000, ray: 180_000 };
/** Left of the call's time to take back what did not start, and to answer. */
const ANSWER_MS = 5_000;

export interface TelemetryDeps extends RunnerDeps {
  readonly namespace: string;
  readonly ids: Ids;
  /** In `database`, as the desired state is. */
  readonly outbox: Outbox;
  readonly store: SourceStore;
  /** Where `store` and the shard's epoch live. */
  readonly database: Database;
  readonly open: OpenSource;
  engineStatus(): EngineStatus;
  readonly desired: DesiredState;
  readonly calls: CallHistory;
  readonly residentBytes: ResidentBytes;
  /** Releases what the sources share; called last. */
  readonly close: () => Promise<void>;
}

export function telemetryService(deps: TelemetryDeps, config: TelemetryConfig): Service<typeof telemetry> {
  const { clock, log, store, desired, outbox, ids } = deps;
  const sources = createSourceSet(deps.open, deps);
  let ownedEpoch: number | undefined;
  let last: Promise<unknown> = Promise.resolve();
  /** One change of the sources at a time: what runs must be what was stored last. */
  const inOrder = <T>(change: () => Promise<T>): Promise<T> => {
    // What a change starts outlives the call that asked for it, so it must not inherit that call's deadline.
    const mine = last.then(() => runDetached(change));
    last = mine.catch(() => {});
    return mine;
  };

  const begin = async (epoch: number): Promise<void> => {
    const defaults: StoredSource[] = config.watch.map((kind) => ({ name: kind, spec: { kind, intervalMs: 1_000 } }));
    await store.insertDefaults(defaults, epoch, clock.now());
    for (const stored of await store.list()) await sources.start(stored);
  };

  const findHost = (name: string, context: Failing) => {
    const { hosts } = deps.engineStatus();
    const host = hosts.find(({ spec }) => spec.name === name);
    if (host !== undefined) return host;
    const known = hosts.map(({ spec }) => spec.name);
    throw context.fail(
      "UNKNOWN_HOST",
      { host: name, known },
      `There is no host "${name}". There are: ${known.join(", ")}.`,
    );
  };

  const rolloutOf = async (host: string): Promise<Rollout | null> => {
    const found = (await desired.list()).find(({ spec }) => spec.name === host)?.rollout;
    return found === undefined ? null : toRollout(host, found);
  };

  /** The statement that tells of a change, for the write that makes it. */
  const telling = (kind: string, host: string, summary: string, data: ReportedChange["data"]): CompiledQuery => {
    const id = ids.next("change");
    const body: ReportedChange = { id, kind, target: host, summary, atMs: clock.now(), data };
    return outbox.put({ id, topic: CHANGE_TOPIC, body });
  };

  return implement(
    telemetry,
    {
      async status() {
        const status = deps.engineStatus();
        return {
          namespace: deps.namespace,
          version: config.version,
          startedAtMs: config.startedAtMs,
          engine: status.kind,
          hosts: toHostInfos(status, await desired.list(), deps.residentBytes),
          sources: sources.list(),
          cluster: toClusterInfo(status.cluster),
        };
      },

      async callGraph({ sinceMs, nowS, beforeS }) {
        return deps.calls.graph(deps.engineStatus(), { atMs: clock.now(), sinceMs, nowS, beforeS });
      },

      async scaleHost({ host, replicas }, context) {
        const { spec } = findHost(host, context);
        if (replicas === 0) refuseLast(host, spec.services);
        const why = whyNotReplicas(spec, replicas, deps.engineStatus().kind);
        if (why !== undefined) throw new ServiceError("INVALID_INPUT", why);
        const previous = spec.replicas;
        const by = context.caller.subject;
        const summary = `Host ${host} was scaled from ${previous} to ${replicas} replicas by ${by}.`;
        const scaled = await desired.scale(host, replicas, [
          telling("scale", host, summary, { previous, replicas, by }),
        ]);
        outbox.kick();
        return { host, replicas: scaled.spec.replicas, previous };
      },

      async restartHost({ host }, context) {
        findHost(host, context);
        const by = context.caller.subject;
        const summary = `Host ${host} was restarted by ${by}.`;
        const { generation } = await desired.restart(host, [telling("restart", host, summary, { by })]);
        outbox.kick();
        return { host, generation };
      },

      async rollBackHost({ host }, context) {
        const { spec } = findHost(host, context);
        refuseBuiltIn(host, spec);
        const by = context.caller.subject;
        const summary = `Host ${host} was rolled back from version ${spec.version} by ${by}.`;
        const back = await desired.rollBack(host, [telling("rollback", host, summary, { from: spec.version, by })]);
        outbox.kick();
        return { host, version: back.spec.version, previous: spec.version, generation: back.generation };
      },

      async startRollout({ host, version, package: code, entry, steps, everyMs }, context) {
        const { spec } = findHost(host, context);
        refuseOwn(host, spec);
        const by = context.caller.subject;
        const summary = `A rollout of host ${host} from ${spec.version} to ${version} was started by ${by}.`;
        const rolled = await desired.startRollout(
          host,
          (present) => ({ ...present, version, package: code, entry }),
          { steps, everyMs, nowMs: clock.now() },
          [telling("rollout", host, summary, { from: spec.version, to: version, by })],
        );
        outbox.kick();
        if (rolled.rollout === undefined) throw new TypeError("A rollout that was started is in its host's row.");
        return toRollout(host, rolled.rollout);
      },

      async rollout({ host }, context) {
        findHost(host, context);
        return { rollout: await rolloutOf(host) };
      },

      async abortRollout({ host }, context) {
        findHost(host, context);
        const before = await rolloutOf(host);
        const by = context.caller.subject;
        const summary = `The rollout of host ${host} was taken back by ${by}.`;
        const changed = await desired.changeRollout(
          host,
          (rollout) => returned(rollout, `it was aborted by ${by}`, clock.now()),
          [telling("rollout", host, summary, { by })],
        );
        outbox.kick();
        const rollout = changed?.rollout === undefined ? null : toRollout(host, changed.rollout);
        const wentOn = before?.state === "starting" || before?.state === "step";
        return { aborted: wentOn && rollout?.state === "returned", rollout };
      },

      async deployHost({ host, spec: given, readyWithinMs }, context) {
        const { engineStatus } = deps;
        const spec = toOwnSpec(host, given, engineStatus());
        const former = (await desired.list()).find((one) => one.spec.name === host);
        const by = context.caller.subject;
        const summary = `Host ${host} was deployed at version ${spec.version} by ${by}.`;
        const mine = await desired.put(spec, [telling("deploy", host, summary, { version: spec.version, by })]);
        outbox.kick();
        const withinMs = Math.min(
          readyWithinMs ?? READY_WITHIN_MS[engineStatus().kind],
          context.deadlineAtMs - clock.monotonic() - ANSWER_MS,
        );
        const waiting = outcomeOf(host, mine.generation, deps, { withinMs, signal: context.signal });
        const outcome = await context.standBy(waiting);
        const changed = former?.generation !== mine.generation;
        if ("ready" in outcome) {
          const previous = changed ? former?.spec : former?.previous;
          return { host: toHostInfo(outcome.ready, { previous }, deps.residentBytes), changed };
        }
        const present = await desired.giveUp(mine, former?.spec);
        const { restored, account } = aftermathOf(former, present, engineStatus());
        const reason = outcome.failed.replace(/\.$/, "");
        throw context.fail(
          "DEPLOY_FAILED",
          { host, reason, restored },
          `"${host}" did not start: ${reason}. ${account}.`,
        );
      },

      async removeHost({ host }, context) {
        const known = (await desired.list()).find(({ spec }) => spec.name === host);
        if (known === undefined) return { removed: false };
        if (!isOwnHost(known.spec)) {
          throw new ServiceError("CONFLICT", `"${host}" is one of the organism's own hosts: its configuration has it.`);
        }
        await desired.remove(host);
        log.info({ host, by: context.caller.subject }, "a host was removed");
        return { removed: true };
      },

      async putSource({ name, spec }, context) {
        const status = waitingStatus(name, spec);
        return inOrder(async () => {
          await store.put({ name, spec }, context.epoch, clock.now(), stored(context, status));
          await sources.start({ name, spec });
          return status;
        });
      },

      async removeSource({ name }, context) {
        return inOrder(async () => {
          const answer = { removed: sources.status(name) !== undefined };
          await store.remove(name, context.epoch, clock.now(), stored(context, answer));
          await sources.stop(name);
          return answer;
        });
      },

      async sources() {
        return { sources: sources.list() };
      },
    },
    {
      database: deps.database,
      async owned(shards: OwnedShards) {
        const epoch = shards.get(0);
        await inOrder(async () => {
          if (epoch === ownedEpoch) return;
          await sources.stopAll();
          if (epoch !== undefined) {
            await begin(epoch);
            await outbox.start();
          }
          ownedEpoch = epoch;
        });
      },
      async close() {
        await inOrder(() => sources.stopAll());
        await outbox.close();
        await deps.close();
      },
    },
  );
}

/** The code of a rollout is a build of SeedCore, which does not have a person's services. */
function refuseOwn(host: string, spec: HostSpec): void {
  if (!isOwnHost(spec)) return;
  const message = `The host "${host}" runs services of your own, which a build of SeedCore does not have. Deploy them again: seedcore deploy FOLDER`;
  throw new ServiceError("INVALID_INPUT", message);
}

/** What the organism is made of comes from its build and its configuration file, and would come from them again. */
function refuseBuiltIn(host: string, spec: HostSpec): void {
  if (isOwnHost(spec)) return;
  const message = `The host "${host}" is part of SeedCore: its build and its configuration file say what it is. Take those back.`;
  throw new ServiceError("INVALID_INPUT", message);
}

/** Without these nobody could ask for a replica again. */
function refuseLast(host: string, services: readonly string[]): void {
  const needed = services.find((service) => service === "gateway" || service === telemetry.name);
  if (needed === undefined) return;
  const message = `The host "${host}" serves ${needed}, without which it could not be scaled up again: keep one replica.`;
  throw new ServiceError("INVALID_INPUT", message);
}

type Failing = Pick<HandlerContext<(typeof telemetry)["procedures"]["scaleHost"]>, "fail">;

function stored<A>(context: { storeAnswer: ((answer: A) => CompiledQuery) | undefined }, answer: A): CompiledQuery[] {
  return context.storeAnswer === undefined ? [] : [context.storeAnswer(answer)];
}

function waitingStatus(name: string, spec: SourceStatus["spec"]): SourceStatus {
  return { name, spec, state: "waiting", points: 0, lastPointAtMs: null, backfillRatio: null, error: null };
}
