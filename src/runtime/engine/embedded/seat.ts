/** A seat is one slot of a host at one generation: it keeps one process alive in it until it is told to leave. */
import type { Clock } from "#core/clock.ts";
import type { Random } from "#core/random.ts";
import type { FromHost, ToHost } from "../../host/control.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Replica } from "../../topology.ts";
import type { ReplicaState, ReplicaStatus } from "../engine.ts";
import { drainMsOf, type HostSpec } from "../host-spec.ts";
import type { Probe } from "./health-probe.ts";
import type { HostPool } from "./host-pool.ts";
import type { HostProcess } from "./host-process.ts";
import { nextSlot, type Slot, type SlotEvent, startSlot } from "./replica-state.ts";

export interface SeatTiming {
  /** @default 2000 */
  readonly probeIntervalMs: number;
  /** @default 2000 */
  readonly probeTimeoutMs: number;
  /** Unanswered probes in a row after which a replica counts as dead. @default 3 */
  readonly probeMisses: number;
  /** From start to listening. @default 30000 */
  readonly startTimeoutMs: number;
}

export const SEAT_TIMING: SeatTiming = {
  probeIntervalMs: 2_000,
  probeTimeoutMs: 2_000,
  probeMisses: 3,
  startTimeoutMs: 30_000,
};

export interface SeatDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly pool: HostPool;
  readonly probe: Probe;
  readonly timing: SeatTiming;
  /** A new id for each process: unique for ever. */
  nextIncarnation(): string;
  assign(replicaId: string, spec: HostSpec): Promise<ToHost>;
  changed(): void;
  desiredChanged(): void;
}

/**
 * Between leaving the topology and being told to drain. A connection that waits to be accepted when a listener closes is
 * reset, and its caller cannot know whether the call began; after this time callers have turned to others.
 */
const LEAD_MS = 100;
/** How long past its drain time a host may take to exit. */
const EXIT_GRACE_MS = 1_000;
/** How often the log of a host that starts is looked at. */
const WORDS_MS = 1_000;

export class Seat {
  readonly number: number;
  readonly generation: number;
  readonly spec: HostSpec;
  readonly #deps: SeatDeps;
  #slot: Slot;
  #process: HostProcess | undefined;
  #id = "";
  #address: string | undefined;
  #assigned = false;
  /** Health probes in a row that it did not answer. */
  #misses = 0;
  /** While it starts: what the host says must happen first, and what it has printed. */
  #waitsFor: string | undefined;
  #words: string | undefined;
  /** What the host said of its failure before it exited. */
  #failure: string | undefined;
  /** Until it must listen, may start again, or must be gone: one at a time. */
  #cancelStep = () => {};
  #cancelProbe = () => {};
  #cancelLook = () => {};

  constructor(number: number, generation: number, spec: HostSpec, deps: SeatDeps) {
    this.number = number;
    this.generation = generation;
    this.spec = spec;
    this.#deps = deps;
    this.#slot = startSlot(deps.clock.now());
    this.#start();
  }

  get kind(): ReplicaStatus["state"]["kind"] {
    return this.#slot.state.kind;
  }

  /** Its state in words, with what last went wrong. */
  get account(): string {
    const { state, lastReason } = this.#slot;
    const doing = state.kind === "backoff" ? "waiting to be started again" : this.#describe(state.kind);
    return lastReason === undefined ? doing : `${doing}, because ${lastReason}`;
  }

  /** Why it last failed; undefined when it never did. */
  get failure(): string | undefined {
    return this.#slot.lastReason;
  }

  get status(): ReplicaStatus {
    return {
      id: this.#id,
      pid: this.#process?.alive ? this.#process.pid : undefined,
      version: this.spec.version,
      generation: this.generation,
      restarts: this.#slot.restarts,
      state: this.#state,
    };
  }

  get #state(): ReplicaState {
    const { state } = this.#slot;
    const reason = this.#startingReason;
    return state.kind === "starting" && reason !== undefined ? { ...state, reason } : state;
  }

  get #startingReason(): string | undefined {
    if (this.#waitsFor === undefined) return undefined;
    return this.#words === undefined ? this.#waitsFor : `${this.#waitsFor}; it said "${this.#words}"`;
  }

  #describe(kind: ReplicaState["kind"]): string {
    const reason = kind === "starting" ? this.#startingReason : undefined;
    return reason === undefined ? kind : `${kind} (${reason})`;
  }

  /** As the topology shows it, but for its weight; undefined while it takes no calls. */
  get replica(): Omit<Replica, "weight"> | undefined {
    if (this.#slot.state.kind !== "ready") return undefined;
    const { name, version, services } = this.spec;
    return { id: this.#id, host: name, version, address: this.#slot.state.address, services };
  }

  /** Tells the running host; one that is not assigned yet learns it from its assignment. */
  send(message: ToHost): void {
    if (this.#assigned) this.#process?.send(message);
  }

  /** Drains and stops; without a process it stops at once. */
  leave(): void {
    this.#happened({ type: "leave" });
  }

  /** Ends it at once, whatever it does. */
  kill(): void {
    this.#process?.kill();
  }

  #start(): void {
    const { pool, log, timing } = this.#deps;
    this.#id = `${this.spec.name}/${this.number}@${this.#deps.nextIncarnation()}`;
    this.#assigned = false;
    this.#address = undefined;
    this.#failure = undefined;
    this.#waitsFor = undefined;
    this.#words = undefined;
    let process: HostProcess;
    try {
      process = pool.take(this.spec);
    } catch (error) {
      // Reported from a later turn, as an exit would be.
      this.#after(0, () => this.#happened({ type: "exited", reason: (error as Error).message }));
      return;
    }
    this.#process = process;
    const mine = () => this.#process === process;
    process.listen({
      message: (message) => {
        if (mine()) this.#heard(message);
      },
      exited: (reason) => {
        if (!mine()) return;
        this.#stopTimers();
        if (this.kind !== "draining") log.warn({ replica: this.#id, reason: this.#failure ?? reason }, "a host ended");
        this.#happened({ type: "exited", reason: this.#failure ?? reason });
      },
    });
    this.#lookAtLog(process);
    this.#after(timing.startTimeoutMs, () => {
      this.#words = process.words();
      const account = this.#startingReason === undefined ? "" : `: ${this.#startingReason}`;
      this.#failure = `it did not listen within ${timing.startTimeoutMs / 1_000} s${account}`;
      process.kill();
    });
    this.#deps.assign(this.#id, this.spec).then(
      (message) => {
        if (!mine() || !process.alive) return;
        process.send(message);
        this.#assigned = true;
      },
      (error: Error) => {
        this.#failure = error.message;
        process.kill();
      },
    );
  }

  #heard(message: FromHost): void {
    switch (message.type) {
      case "listening":
        this.#address = message.address;
        this.#cancelStep();
        this.#misses = 0;
        this.#probeLater();
        break;
      case "ready":
        this.#becameReady();
        break;
      case "waiting":
        this.#waits(message.for);
        break;
      case "not-ready":
        this.#deps.log.warn({ replica: this.#id, reason: message.reason }, "a host is not ready");
        this.#becameNotReady(message.reason);
        break;
      case "failed":
        this.#failure = message.message;
        break;
      case "desired-changed":
        this.#deps.desiredChanged();
        break;
      case "loaded":
      case "drained":
        break;
    }
  }

  #becameReady(): void {
    if (this.#address === undefined) return;
    // Should it not be ready later, what it waited for and said until now has nothing to do with it.
    this.#waitsFor = undefined;
    this.#words = undefined;
    this.#process?.forgetWords();
    this.#happened({ type: "ready", address: this.#address });
  }

  #becameNotReady(reason: string): void {
    const wasReady = this.kind === "ready";
    this.#waits(reason);
    this.#happened({ type: "not-ready" });
    if (wasReady && this.#process !== undefined) this.#lookAtLog(this.#process);
  }

  #waits(what: string): void {
    this.#waitsFor = what;
    if (this.kind === "starting") this.#deps.changed();
  }

  /** What it prints while it starts is told with what it waits for. */
  #lookAtLog(process: HostProcess): void {
    this.#cancelLook();
    this.#cancelLook = this.#deps.clock.after(WORDS_MS, () => {
      if (this.#process !== process || this.kind !== "starting") return;
      const words = process.words();
      const isNews = words !== this.#words;
      this.#words = words;
      if (isNews) this.#deps.changed();
      this.#lookAtLog(process);
    });
  }

  #happened(event: SlotEvent): void {
    const moment = { nowMs: this.#deps.clock.now(), random: this.#deps.random.next() };
    const { slot, effects } = nextSlot(this.#slot, event, moment);
    if (slot === this.#slot) return;
    this.#slot = slot;
    for (const effect of effects) {
      if (effect.type === "start") this.#start();
      else if (effect.type === "drain") this.#drain();
      else this.#after(effect.delayMs, () => this.#happened({ type: "retry" }));
    }
    if (slot.state.kind === "stopped") this.#stopTimers();
    this.#deps.changed();
  }

  #drain(): void {
    this.#stopTimers();
    const process = this.#process;
    if (!process?.alive) return this.#happened({ type: "exited", reason: "it had no process" });
    // A host without an assignment has nothing to finish.
    if (!this.#assigned) return process.kill();
    const drainMs = drainMsOf(this.spec);
    // One that does not answer will not drain either.
    const patienceMs = this.#misses > 0 ? 0 : drainMs;
    this.#after(LEAD_MS, () => {
      process.send({ type: "drain", drainMs });
      this.#after(patienceMs + EXIT_GRACE_MS, () => process.kill());
    });
  }

  #probeLater(): void {
    const { clock, probe, timing, log } = this.#deps;
    const process = this.#process;
    const address = this.#address;
    if (process === undefined || address === undefined) return;
    this.#cancelProbe = clock.after(timing.probeIntervalMs, async () => {
      const answered = await probe(address, timing.probeTimeoutMs);
      const stillMine = this.#process === process && process.alive && this.kind !== "draining";
      if (!stillMine) return;
      this.#misses = answered ? 0 : this.#misses + 1;
      if (this.#misses < timing.probeMisses) return this.#probeLater();
      log.warn({ replica: this.#id, pid: process.pid }, "a host no longer answers and is replaced");
      this.#failure = `it did not answer ${timing.probeMisses} health probes`;
      process.kill();
    });
  }

  #after(delayMs: number, task: () => void): void {
    this.#cancelStep();
    this.#cancelStep = this.#deps.clock.after(delayMs, task);
  }

  #stopTimers(): void {
    this.#cancelStep();
    this.#cancelProbe();
    this.#cancelLook();
  }
}
