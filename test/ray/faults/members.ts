/** How a change of the membership travels: from the registry's own list to that of a client, and to those of other hosts. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "#app/connection.ts";
import { followTopology, nextTopology, type TopologyFollower } from "#runtime/client/topology-follower.ts";
import { createRegistry } from "#runtime/engine/ray/registry.ts";
import { findRegistryActor, toRegistryCall } from "#runtime/engine/ray/registry-actor.ts";
import type { Ray } from "#runtime/ray/ray.ts";
import { EMPTY_TOPOLOGY, type Topology } from "#runtime/topology.ts";

export interface Travelled {
  /** Replicas that the registry put on its list or took off it. */
  readonly changes: number;
  /** Of those changes, the longest from the first who had it until the client had it. */
  readonly toClientMs: number;
  /** The same for the slowest of the hosts that live. */
  readonly toHostsMs: number;
  /** From the fault until the client's list had none of the struck; undefined when it struck no replica. */
  readonly outMs: number | undefined;
  /** Changes that the client or a host never heard of. */
  readonly unheard: readonly string[];
}

const LOOK_MS = 5;
const POLL_MS = 20_000;
const RETRY_MS = 50;
/** Those who hear of a change are given so long after the registry's last. */
const LAST_MS = 5_000;

/** When somebody's list first had each change. */
class View {
  readonly heardAtMs = new Map<string, number>();
  #known: ReadonlySet<string>;

  constructor(first: Topology) {
    this.#known = idsOf(first);
  }

  see(topology: Topology): void {
    const ids = idsOf(topology);
    const changes = [
      ...[...ids].filter((id) => !this.#known.has(id)).map((id) => `+ ${id}`),
      ...[...this.#known].filter((id) => !ids.has(id)).map((id) => `- ${id}`),
    ];
    for (const change of changes) if (!this.heardAtMs.has(change)) this.heardAtMs.set(change, performance.now());
    this.#known = ids;
  }
}

interface Watched {
  readonly view: View;
  readonly stop: () => Promise<void>;
}

/** The lists of all who are looked at, from now on. */
export class Members {
  readonly #registry: Watched;
  readonly #client: Watched;
  /** By the id of the gateway, which gets its list as every host does. */
  readonly #hosts: ReadonlyMap<string, Watched>;

  private constructor(registry: Watched, client: Watched, hosts: ReadonlyMap<string, Watched>) {
    this.#registry = registry;
    this.#client = client;
    this.#hosts = hosts;
  }

  static async watch(connection: Connection, token: string, ray: Ray, namespace: string): Promise<Members> {
    const gateways = connection.topology().replicas.filter(({ host }) => host === "gateway");
    const hosts = await Promise.all(
      gateways.map(async ({ id, address }) => {
        const follower = await followTopology({ url: address, token: () => token });
        return [id, watchHost(follower)] as const;
      }),
    );
    return new Members(await watchRegistry(ray, namespace), watchClient(connection), new Map(hosts));
  }

  /** @param struck replicas that a fault struck at `atMs` */
  async stop(struck: ReadonlySet<string>, atMs: number): Promise<Travelled> {
    const changes = this.#registry.view.heardAtMs;
    const spared = [...this.#hosts].filter(([id]) => !struck.has(id)).map(([, { view }]) => view);
    const readers = [this.#client.view, ...spared];
    const giveUpAtMs = performance.now() + LAST_MS;
    const unheard = () => [...changes.keys()].filter((change) => readers.some((view) => !view.heardAtMs.has(change)));
    while (unheard().length > 0 && performance.now() < giveUpAtMs) await sleep(RETRY_MS);
    await Promise.all([this.#registry, this.#client, ...this.#hosts.values()].map(({ stop }) => stop()));

    const longest = (views: readonly View[]) =>
      Math.max(
        0,
        ...[...changes].flatMap(([change, registryAtMs]) => {
          const heard = readers.map((view) => view.heardAtMs.get(change) ?? Number.POSITIVE_INFINITY);
          const first = Math.min(registryAtMs, ...heard);
          return views.map((view) => (view.heardAtMs.get(change) ?? Number.POSITIVE_INFINITY) - first);
        }),
      );
    const out = [...struck].flatMap((id) => this.#client.view.heardAtMs.get(`- ${id}`) ?? []);
    return {
      changes: changes.size,
      toClientMs: longest([this.#client.view]),
      toHostsMs: longest(spared),
      outMs: out.length === 0 ? undefined : Math.max(...out) - atMs,
      unheard: unheard(),
    };
  }
}

/** The registry's long poll, over a session of Ray's client: it is found again when it or the session is lost. */
async function watchRegistry(ray: Ray, namespace: string): Promise<Watched> {
  const stopped = new AbortController();
  const { signal } = stopped;
  const ask = async (seen: Topology) => {
    const actor = await findRegistryActor(ray, namespace);
    if (actor === undefined) throw new Error("There is no registry.");
    return createRegistry(toRegistryCall(actor)).listen(seen, POLL_MS, signal);
  };
  let seen = await ask(EMPTY_TOPOLOGY);
  let known = nextTopology(EMPTY_TOPOLOGY, seen);
  const view = new View(known);
  const listening = (async () => {
    while (!signal.aborted) {
      try {
        seen = await ask(seen);
      } catch {
        await sleep(RETRY_MS);
        continue;
      }
      known = nextTopology(known, seen);
      view.see(known);
    }
  })();
  return {
    view,
    async stop() {
      stopped.abort(new Error("It is not watched any more."));
      await listening;
    },
  };
}

function watchClient(connection: Connection): Watched {
  const view = new View(connection.topology());
  let seen = connection.topology();
  const timer = setInterval(() => {
    if (connection.topology() === seen) return;
    seen = connection.topology();
    view.see(seen);
  }, LOOK_MS);
  return { view, stop: async () => clearInterval(timer) };
}

function watchHost(follower: TopologyFollower): Watched {
  const view = new View(follower.current());
  follower.watch((topology) => view.see(topology));
  return { view, stop: () => follower.close() };
}

const idsOf = ({ replicas }: Topology): ReadonlySet<string> => new Set(replicas.map(({ id }) => id));
