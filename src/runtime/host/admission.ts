/** Who may work now, who waits, and who is sent away: a fixed number of places and a bounded queue in front of them. */
import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import type { Priority } from "../call.ts";

export interface AdmissionLimits {
  readonly maxConcurrency: number;
  readonly maxQueue: number;
}

interface Waiting {
  readonly deadlineAtMs: number;
  admit(): void;
  refuse(error: ServiceError): void;
}

/** Lowest index first out; the last one is the first to be refused. */
const CLASSES: readonly Priority[] = ["critical", "normal", "background"];

const MIN_RETRY_AFTER_MS = 50;
const MAX_RETRY_AFTER_MS = 5_000;

/**
 * Invariants: at most `maxConcurrency` places are taken and at most `maxQueue` calls wait; nobody waits while a place is
 * free; within a class it is first come, first served; a call whose deadline passes while it waits is never worked on.
 */
export class Admission {
  readonly #clock: Clock;
  readonly #limits: AdmissionLimits;
  readonly #queues: readonly Waiting[][] = CLASSES.map(() => []);
  #taken = 0;
  #waiting = 0;
  /** Smoothed time a place is taken, for `retryAfterMs`. */
  #meanMs = 10;

  constructor(clock: Clock, limits: AdmissionLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get taken(): number {
    return this.#taken;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Takes a place if one is free, without a promise. */
  tryEnter(): boolean {
    if (this.#taken >= this.#limits.maxConcurrency) return false;
    this.#taken++;
    return true;
  }

  /** Waits for a place. @throws ServiceError OVERLOADED, EXPIRED, or what `refuseAll` or the given `leave` says. */
  enter(priority: Priority, deadlineAtMs: number, onWaiting: (leave: (error: ServiceError) => void) => void) {
    if (this.tryEnter()) return Promise.resolve();
    const level = CLASSES.indexOf(priority);
    if (this.#waiting >= this.#limits.maxQueue && !this.#makeRoom(level)) return Promise.reject(this.#overloaded());
    return new Promise<void>((resolve, reject) => {
      const queue = this.#queues[level] ?? [];
      const leave = (error: ServiceError) => {
        const index = queue.indexOf(waiting);
        if (index < 0) return;
        queue.splice(index, 1);
        this.#waiting--;
        waiting.refuse(error);
      };
      const cancelTimer = this.#clock.after(Math.max(0, deadlineAtMs - this.#clock.monotonic()), () =>
        leave(expired()),
      );
      const waiting: Waiting = {
        deadlineAtMs,
        admit() {
          cancelTimer();
          resolve();
        },
        refuse(error) {
          cancelTimer();
          reject(error);
        },
      };
      queue.push(waiting);
      this.#waiting++;
      onWaiting(leave);
    });
  }

  /** Gives a place back after `tookMs`; the next in line gets it. */
  leave(tookMs: number): void {
    this.#meanMs += 0.05 * (tookMs - this.#meanMs);
    for (let next = this.#shift(); next !== undefined; next = this.#shift()) {
      if (next.deadlineAtMs > this.#clock.monotonic()) return next.admit();
      next.refuse(expired());
    }
    this.#taken--;
  }

  /** Sends away everybody who waits. */
  refuseAll(error: ServiceError): void {
    for (let next = this.#shift(); next !== undefined; next = this.#shift()) next.refuse(error);
  }

  #shift(): Waiting | undefined {
    if (this.#waiting === 0) return undefined;
    for (const queue of this.#queues) {
      const next = queue.shift();
      if (next !== undefined) {
        this.#waiting--;
        return next;
      }
    }
    return undefined;
  }

  /** Refuses the newest call of a lower class, if there is one. */
  #makeRoom(level: number): boolean {
    for (let lower = CLASSES.length - 1; lower > level; lower--) {
      const victim = this.#queues[lower]?.pop();
      if (victim === undefined) continue;
      this.#waiting--;
      victim.refuse(this.#overloaded());
      return true;
    }
    return false;
  }

  #overloaded(): ServiceError {
    const { maxConcurrency, maxQueue } = this.#limits;
    const emptyInMs = ((this.#waiting + 1) * this.#meanMs) / maxConcurrency;
    return new ServiceError(
      "OVERLOADED",
      `All ${maxConcurrency} places are taken and ${this.#waiting} calls wait (at most ${maxQueue} may).`,
      { retryAfterMs: Math.ceil(Math.min(MAX_RETRY_AFTER_MS, Math.max(MIN_RETRY_AFTER_MS, emptyInMs))) },
    );
  }
}

function expired(): ServiceError {
  return new ServiceError("EXPIRED", "The deadline passed while the call waited for a place.");
}
