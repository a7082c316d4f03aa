import { type Clock, sleep, systemClock } from "#core/clock.ts";
import { type Random, systemRandom } from "#core/random.ts";
import { EMPTY_TOPOLOGY, replicasOf, type Topology, type TopologySource } from "../topology.ts";
import { exchange } from "./exchange.ts";
import { createPools } from "./pools.ts";
import { readTopology } from "./topology-request.ts";

export interface TopologyFollowerOptions {
  /** Base URL of a gateway. */
  readonly url: string;
  readonly token: () => string;
  /** Base URLs of the gateways there are now: asked when none that is known answers, since all may have been replaced. */
  readonly findGateways?: () => Promise<readonly string[]>;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** The topology as a gateway tells it, for processes without a control channel. */
export interface TopologyFollower extends TopologySource {
  close(): Promise<void>;
}

/** A gateway answers a long poll well before this; later the connection is taken for dead. */
const POLL_TIMEOUT_MS = 60_000;
const MIN_PAUSE_MS = 200;
const MAX_PAUSE_MS = 5_000;

/**
 * Resolves with the first topology and follows it from then on. While the gateway cannot be reached it keeps the last.
 * @throws ServiceError when the first request fails
 */
export async function followTopology(options: TopologyFollowerOptions): Promise<TopologyFollower> {
  const { token, clock = systemClock, random = systemRandom } = options;
  let address = new URL(options.url).origin;
  const pools = createPools();
  const listeners = new Set<(topology: Topology) => void>();
  const closed = new AbortController();

  const ask = async (seen: Topology | undefined): Promise<Topology> => {
    const attempt = new AbortController();
    const stop = () => attempt.abort(closed.signal.reason);
    closed.signal.addEventListener("abort", stop);
    const cancelTimer = clock.after(POLL_TIMEOUT_MS, () => attempt.abort(new Error("The gateway does not answer.")));
    try {
      const send = (path: string, headers: Record<string, string>) =>
        exchange(pools.of(address), { method: "GET", path, headers, body: null }, attempt.signal);
      return await readTopology(send, token(), seen);
    } finally {
      cancelTimer();
      closed.signal.removeEventListener("abort", stop);
    }
  };

  let seen: Topology;
  try {
    seen = await ask(undefined);
  } catch (error) {
    await pools.close();
    throw error;
  }
  let current = nextTopology(EMPTY_TOPOLOGY, seen);

  const follow = async () => {
    let failures = 0;
    while (!closed.signal.aborted) {
      try {
        seen = await ask(seen);
        failures = 0;
      } catch {
        // The gateway restarts or the token is being renewed: what is known stays in use. Where there are several, the
        // next is asked: this one's machine may be gone for good.
        const known = replicasOf(current, "gateway").map((replica) => replica.address);
        const isLast = (failures + 1) % Math.max(1, known.length) === 0;
        const found = isLast ? await options.findGateways?.().catch(() => undefined) : undefined;
        address = found?.[0] ?? known[(known.indexOf(address) + 1) % known.length] ?? address;
        const pauseMs = Math.min(MAX_PAUSE_MS, MIN_PAUSE_MS * 2 ** failures++);
        await sleep(clock, pauseMs * (0.5 + random.next() / 2), closed.signal).catch(() => {});
        continue;
      }
      const next = nextTopology(current, seen);
      if (next === current) continue;
      current = next;
      for (const listener of listeners) listener(current);
    }
  };
  const following = follow();

  return {
    current: () => current,
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      closed.abort(new Error("The follower was closed."));
      await following;
      await pools.close();
    },
  };
}

/**
 * The topology to use when `offered` arrives: the newer one; but a list that may be incomplete, or is empty, never
 * replaces one that is known, since calls to replicas that are gone fail cleanly and calls to nobody do not.
 */
export function nextTopology(known: Topology, offered: Topology): Topology {
  const isUsable = offered.state === "settled" && offered.replicas.length > 0;
  if (!isUsable && known.replicas.length > 0) return known;
  if (offered.epoch === known.epoch && offered.version <= known.version) return known;
  return offered;
}
