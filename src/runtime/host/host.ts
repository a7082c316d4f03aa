/** The life of one host process, told what to be and when to end over the control channel. */
import { type Clock, systemClock } from "#core/clock.ts";
import { systemIds } from "#core/ids.ts";
import { systemRandom } from "#core/random.ts";
import { ServiceError } from "#core/service-error.ts";
import { audienceOf } from "../auth/token.ts";
import { createVerifier } from "../auth/verifier.ts";
import { ABORT_GRACE_MS } from "./dispatcher.ts";
import { drainMsOf } from "../engine/host-spec.ts";
import type { Logger } from "../telemetry/logger.ts";
import { createRegistry, registerProcessMetrics } from "../telemetry/metrics.ts";
import { createPinoLogger } from "../telemetry/pino-logger.ts";
import type { HostAssignment, ToHost } from "./control.ts";
import { killOwnGroup, listenToParent, sendToParent } from "./control-channel.ts";
import type { CreateFront, Front } from "./front.ts";
import { createTopologyHolder, type TopologyHolder } from "./topology-holder.ts";

export interface HostOptions {
  /** Makes what the assignment asks for. */
  readonly front: CreateFront;
  /** debug, info, warn or error. @default "info" */
  readonly logLevel: string | undefined;
}

/** After its drain time: for services to close. */
const CLOSE_MS = 600;

/** Runs until the parent says drain, or is gone. Returns at once. */
export function runHost(options: HostOptions): void {
  const log = createPinoLogger({ level: toLevel(options.logLevel), fields: { pid: process.pid } });
  let host: Host | undefined;
  const fail = (error: unknown) => {
    log.error({ error }, "the host ends because of an unexpected error");
    process.exit(1);
  };
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  process.on("SIGTERM", () => (host === undefined ? process.exit(0) : host.drain(drainMsOf(host.assignment.spec))));
  // The terminal's interrupt is for the supervisor, which then drains its hosts.
  process.on("SIGINT", () => {});
  listenToParent(
    process.stdin,
    (message) => {
      if (message.type === "assign") {
        host = new Host(message.assignment, options, log);
        host.run().catch((error: unknown) => {
          const reason = error instanceof Error ? error.message : String(error);
          log.error({ error }, "the host cannot start");
          sendToParent({ type: "failed", message: reason });
          process.exit(1);
        });
      } else host?.receive(message);
    },
    killOwnGroup,
  );
  sendToParent({ type: "loaded" });
}

class Host {
  readonly assignment: HostAssignment;
  readonly #log: Logger;
  readonly #clock: Clock = systemClock;
  readonly #topology: TopologyHolder;
  readonly #create: CreateFront;
  #token: string;
  #engine: HostAssignment["engine"];
  #front: Promise<Front> | undefined;
  #listening = false;
  #ready = false;
  #draining = false;

  constructor(assignment: HostAssignment, options: HostOptions, log: Logger) {
    this.assignment = assignment;
    this.#create = options.front;
    this.#log = log.child({ replica: assignment.replicaId });
    this.#topology = createTopologyHolder(assignment.topology);
    this.#token = assignment.token;
    this.#engine = assignment.engine;
  }

  async run(): Promise<void> {
    const { spec, namespace, publicKey, replicaId } = this.assignment;
    const metrics = createRegistry({ host: spec.name, replica: replicaId });
    registerProcessMetrics(metrics);
    this.#front = this.#create({
      assignment: this.assignment,
      clock: this.#clock,
      ids: systemIds,
      random: systemRandom,
      log: this.#log,
      metrics,
      topology: this.#topology,
      verifier: createVerifier(publicKey, audienceOf(namespace), this.#clock),
      token: () => this.#token,
      engineStatus: () => this.#engine,
      desiredChanged: () => sendToParent({ type: "desired-changed" }),
      waiting: (what) => sendToParent({ type: "waiting", for: what }),
      ready: () => this.#becameReady(),
      notReady: (reason) => this.#becameNotReady(reason),
    });
    const front = await this.#front;
    const address = await front.listen();
    this.#listening = true;
    sendToParent({ type: "listening", address });
    this.#log.info({ address, services: spec.services }, "listening");
    await front.start();
  }

  receive(message: Exclude<ToHost, { type: "assign" }>): void {
    switch (message.type) {
      case "topology":
        this.#topology.set(message.topology);
        break;
      case "engine":
        this.#engine = message.engine;
        break;
      case "token":
        this.#token = message.token;
        break;
      case "configure":
        this.#reconfigure(message.config).catch((error: unknown) => {
          this.#log.error({ error }, "new configuration was not taken; the former stays");
        });
        break;
      case "drain":
        this.drain(message.drainMs);
        break;
    }
  }

  /** Finishes what is in flight within `drainMs`, closes, and exits with code 0. */
  drain(drainMs: number): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#clock.after(drainMs + ABORT_GRACE_MS + CLOSE_MS, () => {
      this.#log.error({ drainMs }, "did not close in time");
      process.exit(1);
    });
    this.#drain(drainMs).then(
      () => process.exit(0),
      (error: unknown) => {
        this.#log.error({ error }, "did not close well");
        process.exit(1);
      },
    );
  }

  async #drain(drainMs: number): Promise<void> {
    // One that does not listen yet has nothing in flight, and may wait for ever for what its services begin with.
    const front = this.#listening ? await this.#front : undefined;
    if (front !== undefined) {
      const ended = front.drain();
      if (!(await this.#within(drainMs, ended))) {
        this.#log.warn({ drainMs }, "calls did not end in the drain time; they are cancelled");
        front.abortAll(new ServiceError("CANCELLED", "The replica was stopped before the call had ended."));
        await this.#within(ABORT_GRACE_MS, ended);
      }
      await front.close();
    }
    this.#log.info({}, "drained");
    sendToParent({ type: "drained" });
  }

  /** Whether `work` ended in time. */
  #within(ms: number, work: Promise<unknown>): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(ms, () => resolve(false));
      work.then(() => {
        cancel();
        resolve(true);
      }, reject);
    });
  }

  #becameReady(): void {
    if (this.#ready || this.#draining || !this.#listening) return;
    this.#ready = true;
    sendToParent({ type: "ready" });
    this.#log.info({}, "ready");
  }

  #becameNotReady(reason: string): void {
    if (this.#draining) return;
    this.#ready = false;
    sendToParent({ type: "not-ready", reason });
  }

  async #reconfigure(config: Readonly<Record<string, unknown>>): Promise<void> {
    await (await this.#front)?.reconfigure(config);
  }
}

function toLevel(text: string | undefined) {
  return text === "debug" || text === "warn" || text === "error" ? text : "info";
}
