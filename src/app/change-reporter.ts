/**
 * Tells the coordinator what the supervisor itself has changed, so that incidents nearby in time show it: stored in an
 * outbox as telemetry's changes are, and delivered until it is taken, also by the next life of the supervisor.
 */
import { coordinator } from "#contracts/coordinator.ts";
import type { Clock } from "#core/clock.ts";
import type { InputOf } from "#core/contract.ts";
import type { Ids } from "#core/ids.ts";
import type { Random } from "#core/random.ts";
import type { TopologySource } from "#runtime/topology.ts";
import type { Database } from "#runtime/storage/database.ts";
import { createOutbox } from "#runtime/storage/outbox-store.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import { createRegistry } from "#runtime/telemetry/metrics.ts";
import type { Config } from "./config.ts";

type ReportedChange = InputOf<(typeof coordinator)["procedures"]["reportChange"]>;

export interface ChangeReporterDeps {
  /** Migrated with `outboxSchema`. */
  readonly database: Database;
  readonly topology: TopologySource;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly log: Logger;
  /** A token of the supervisor's own, for calls that follow at once. */
  mintToken(): Promise<string>;
}

export interface ChangeReporter {
  /** Resolves when the change is stored; it is told when the coordinator can be reached. */
  configured(next: Config, previous: Config): Promise<void>;
  close(): Promise<void>;
}

const TOPIC = "coordinator.reportChange";

/** Begins with what an earlier life has not told. */
export async function openChangeReporter(deps: ChangeReporterDeps): Promise<ChangeReporter> {
  const { database, topology, clock, ids, random, log } = deps;
  const metrics = createRegistry({ host: "supervisor", replica: "supervisor" });
  const outbox = createOutbox({ db: database, owner: "supervisor", clock, random, log, metrics });
  outbox.deliver(TOPIC, async ({ id, body }) => {
    // Loaded by the few lives that change something.
    const [{ createClient }, { createDirectTransport }] = await Promise.all([
      import("#runtime/client/create-client.ts"),
      import("#runtime/client/direct-transport.ts"),
    ]);
    const token = await deps.mintToken();
    const transport = createDirectTransport({ topology, token: () => token, clock, random });
    try {
      const client = createClient(coordinator, { transport, clock, ids, random });
      await client.reportChange(body as ReportedChange, { idempotencyKey: id, priority: "background" });
    } finally {
      await transport.close();
    }
  });
  await outbox.start();
  return {
    async configured(next, previous) {
      const id = ids.next("change");
      const { hosts, services } = changedParts(next, previous);
      const parts = [...hosts.map((name) => `host ${name}`), ...services.map((name) => `service ${name}`)];
      const what = parts.length === 0 ? "nothing of a host or a service" : parts.join(", ");
      const body: ReportedChange = {
        id,
        kind: "config",
        target: hosts.length + services.length === 1 ? (hosts[0] ?? services[0] ?? "") : "",
        summary: `The configuration file was applied; changed: ${what}.`,
        atMs: clock.now(),
        data: { hosts, services },
      };
      await database.write([outbox.put({ id, topic: TOPIC, body })]);
      outbox.kick();
    },
    close: () => outbox.close(),
  };
}

/** Names only: what a setting says may be a secret. */
function changedParts(next: Config, previous: Config): { hosts: string[]; services: string[] } {
  const hostsOf = ({ hosts }: Config) => Object.fromEntries(hosts.map((spec) => [spec.name, spec]));
  return {
    hosts: changedNames(hostsOf(next), hostsOf(previous)),
    services: changedNames(next.services, previous.services),
  };
}

function changedNames(next: Readonly<Record<string, unknown>>, previous: Readonly<Record<string, unknown>>): string[] {
  const names = new Set([...Object.keys(next), ...Object.keys(previous)]);
  return [...names].filter((name) => JSON.stringify(next[name]) !== JSON.stringify(previous[name])).sort();
}
