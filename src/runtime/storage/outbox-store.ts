import { Counter, type Registry } from "prom-client";
import type { Clock } from "#core/clock.ts";
import type { Random } from "#core/random.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Database } from "./database.ts";
import type { Outbox, OutboxMessage } from "./outbox.ts";
import { type DeliveryDeps, TopicDelivery } from "./outbox-delivery.ts";
import { createOutboxRows } from "./outbox-rows.ts";

export interface OutboxDeps {
  /** Migrated with `outboxSchema`. */
  readonly db: Database;
  /** The service whose messages these are; one process at a time delivers them. */
  readonly owner: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Registry;
}

/** A message whose write was committed without a kick, or whose kick came too early, waits this long. */
const SWEEP_MS = 1_000;

/**
 * The outbox of one service. Runs no statement while nothing was put. A message that its receiver refuses for good is
 * moved to `outbox_dead` with the reason, so that it does not hold up those behind it.
 */
export function createOutbox(deps: OutboxDeps): Outbox {
  const rows = createOutboxRows(deps.db, deps.owner);
  const count = counter(deps.metrics, deps.owner);
  const delivery: DeliveryDeps = { rows, clock: deps.clock, random: deps.random, log: deps.log, count };
  const topics = new Map<string, TopicDelivery>();
  let cancelSweep: (() => void) | undefined;
  let open = false;

  const kick = () => {
    if (open) for (const topic of topics.values()) topic.kick();
  };
  const sweep = () => {
    cancelSweep = undefined;
    kick();
  };

  return {
    put(message: OutboxMessage) {
      if (open) cancelSweep ??= deps.clock.after(SWEEP_MS, sweep);
      return rows.insert(message, deps.clock.now());
    },
    kick,
    deliver(topic, send) {
      if (topics.has(topic)) throw new TypeError(`The topic "${topic}" already has a delivery.`);
      const added = new TopicDelivery(topic, send, delivery);
      topics.set(topic, added);
      if (open) added.kick();
    },
    async start() {
      const left = await rows.countByTopic();
      open = true;
      for (const { topic, count: messages } of left) {
        const known = topics.get(topic);
        if (known !== undefined) known.kick();
        else deps.log.warn({ topic, messages }, "Messages wait for a delivery that nobody has set.");
      }
    },
    async close() {
      open = false;
      cancelSweep?.();
      await Promise.all([...topics.values()].map((topic) => topic.close()));
    },
  };
}

const METRIC = "seedcore_outbox_messages_total";

function counter(metrics: Registry, owner: string): DeliveryDeps["count"] {
  const known = metrics.getSingleMetric(METRIC) as Counter<"owner" | "topic" | "outcome"> | undefined;
  const metric =
    known ??
    new Counter({
      name: METRIC,
      help: "Outbox messages by what became of them: delivered, failed (to be tried again), dead.",
      labelNames: ["owner", "topic", "outcome"],
      registers: [metrics],
    });
  return (outcome, topic) => metric.inc({ owner, topic, outcome });
}
