/** Calls over HTTP: picks a replica, sends, and repeats what may be repeated. */
import type { Pool } from "undici";
import { type Clock, systemClock } from "#core/clock.ts";
import { type Random, systemRandom } from "#core/random.ts";
import { ServiceError, toServiceError } from "#core/service-error.ts";
import { HEADERS } from "../call.ts";
import type { Replica, TopologySource } from "../topology.ts";
import { toAnswer, toEvents, toFailure } from "./answer.ts";
import type { Balancer } from "./balancer.ts";
import type { Cancellation } from "./cancellation.ts";
import { exchange, exchangeStream, type ReplyHeaders, type StreamedReply } from "./exchange.ts";
import type { Pools } from "./pools.ts";
import { createHedge } from "./hedge.ts";
import { isLost, isUnreached, planRepeat } from "./repeat-plan.ts";
import type { OutgoingCall, Transport } from "./transport.ts";
import { toWireRequest, toWireTarget } from "./wire.ts";

export interface HttpTransportOptions {
  /** The bearer token; asked for each attempt, since it is renewed. */
  readonly token: () => string;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface HttpTransportParts extends HttpTransportOptions {
  readonly balancer: Balancer;
  readonly pools: Pools;
  /** Tells when another pick may succeed, so that waiting callers need not poll. */
  readonly watch: TopologySource["watch"];
  readonly isHealthy: Transport["isHealthy"];
}

interface Target {
  readonly replica: Replica;
  readonly pool: Pool;
}

/** A call's attempts. */
interface Asking {
  readonly asked: Set<string>;
  /** Those of them that have not answered yet. */
  readonly waitingFor: Set<Replica>;
}

const NOBODY: ReadonlySet<string> = new Set();

export function createHttpTransport(parts: HttpTransportParts): Transport {
  const { balancer, pools, token } = parts;
  const clock = parts.clock ?? systemClock;
  const random = parts.random ?? systemRandom;
  const hedge = createHedge(clock);

  /**
   * Runs attempts until one succeeds or must be the last.
   * @param over ends it early
   * @param avoid replicas that are asked only where there is no other
   */
  async function repeating<T>(
    call: OutgoingCall,
    attempt: (replica: Replica, pool: Pool) => Promise<T>,
    over: Cancellation,
    avoid: ReadonlySet<string> = NOBODY,
  ): Promise<T> {
    const shardKey = shardKeyOf(call);
    let tried: Set<string> | undefined;
    let failed = 0;
    let lost: ServiceError | undefined;
    let refusal: ServiceError | undefined;
    let unreached: Replica[] | undefined;
    while (true) {
      const replica = balancer.pick(call.contract, shardKey, tried ?? avoid);
      if (replica === undefined) {
        await change(parts.watch, clock, call.deadlineAtMs - clock.monotonic(), over);
        if (isOver(call, over, clock)) throw lost ?? noReplica(call);
        continue;
      }
      const pool = pools.of(replica.address);
      let error: ServiceError;
      try {
        const answer = await attempt(replica, pool);
        for (const other of unreached ?? []) balancer.silent(other);
        return answer;
      } catch (thrown) {
        error = toServiceError(thrown);
      }
      if (isUnreached(error)) (unreached ??= []).push(replica);
      // The deadline came while it tried once more in vain: why it was in vain says more.
      if (error.code === "DEADLINE" && error.notStarted && refusal !== undefined) error = refusal;
      refusal = error.notStarted ? error : undefined;
      if (isLost(error)) pools.lost(replica.address, pool);
      failed++;
      tried = (tried ?? new Set(avoid)).add(replica.id);
      const hasFresh = balancer.hasFresh(call.contract, shardKey, tried);
      const waitMs = planRepeat(
        error,
        call,
        { failed, repeatedLost: lost !== undefined, hasFresh },
        clock.monotonic(),
        random,
      );
      // Whatever was refused later, an attempt that was lost may have run: the caller must know.
      if (waitMs === undefined) throw error.notStarted && lost !== undefined ? lost : error;
      if (isLost(error)) lost = error;
      await change(parts.watch, clock, waitMs, over);
      if (isOver(call, over, clock)) throw lost ?? error;
    }
  }

  async function open(call: OutgoingCall, { replica, pool }: Target, request: ReturnType<typeof toWireRequest>) {
    balancer.begin(replica);
    let reply: StreamedReply | undefined;
    try {
      reply = await exchangeStream(pool, request, call.signal);
      if (reply.status !== 200) throw await toFailure(reply);
    } catch (error) {
      balancer.end(replica, reply && loadOf(reply.headers));
      throw error;
    }
    return { replica, reply };
  }

  async function send(
    call: OutgoingCall,
    { replica, pool }: Target,
    target: ReturnType<typeof toWireTarget>,
    { asked, waitingFor }: Asking,
    over: Cancellation,
  ): Promise<unknown> {
    let load: string | undefined;
    asked.add(replica.id);
    waitingFor.add(replica);
    balancer.begin(replica);
    try {
      const reply = await exchange(pool, toWireRequest(call, target, token(), clock), over);
      load = loadOf(reply.headers);
      return toAnswer(reply);
    } finally {
      waitingFor.delete(replica);
      balancer.end(replica, load);
    }
  }

  return {
    call(call) {
      const target = toWireTarget(call);
      const asking: Asking = { asked: new Set(), waitingFor: new Set() };
      const ask = (over: Cancellation, avoid?: ReadonlySet<string>) =>
        repeating(call, (replica, pool) => send(call, { replica, pool }, target, asking, over), over, avoid);
      const isRepeatable = call.procedure.idempotent && !call.inner;
      if (!isRepeatable || !balancer.hasOther(call.contract, shardKeyOf(call))) return ask(call.signal);
      return hedge.run(call, ask, async (over) => {
        const silent = [...asking.waitingFor];
        const answer = await ask(over, new Set(asking.asked));
        for (const replica of silent) if (asking.waitingFor.has(replica)) balancer.silent(replica);
        return answer;
      });
    },
    async *stream(call) {
      const target = toWireTarget(call);
      const { replica, reply } = await repeating(
        call,
        (to, pool) => open(call, { replica: to, pool }, toWireRequest(call, target, token(), clock)),
        call.signal,
      );
      call.opened?.();
      try {
        yield* toEvents(reply.body);
      } finally {
        balancer.end(replica, loadOf(reply.headers));
      }
    },
    isHealthy: parts.isHealthy,
    async close() {
      balancer.close();
      await pools.close();
    },
  };
}

/** The value that picks the shard, as it stands in the path. */
function shardKeyOf({ procedure, input }: OutgoingCall): string | undefined {
  return procedure.shardBy === undefined ? undefined : String(input[procedure.shardBy]);
}

function loadOf(headers: ReplyHeaders): string | undefined {
  const load = headers[HEADERS.load];
  return typeof load === "string" ? load : undefined;
}

/** Whether the deadline has passed. @throws the signal's reason when the caller has gone away */
function isOver(call: OutgoingCall, over: Cancellation, clock: Clock): boolean {
  const { aborted, reason } = over;
  if (aborted && !(reason instanceof ServiceError && reason.code === "DEADLINE")) throw reason;
  return aborted || clock.monotonic() >= call.deadlineAtMs;
}

function noReplica({ contract }: OutgoingCall): ServiceError {
  return new ServiceError("UNAVAILABLE", `No replica of "${contract.name}" is ready; waited until the deadline.`);
}

/** Resolves when the topology changes, the time is over or the signal aborts, whichever is first. */
function change(watch: TopologySource["watch"], clock: Clock, ms: number, signal: Cancellation): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      unwatch();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(Math.max(0, ms), done);
    const unwatch = watch(done);
    signal.addEventListener("abort", done);
  });
}
