import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import type { Topology, TopologySource } from "../topology.ts";

/** How long a poll is held open when nothing changes. */
const HOLD_MS = 25_000;
const MAX_WAITING = 1_000;

/** Answers long polls for the topology. */
export class TopologyPoll {
  readonly #source: TopologySource;
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();

  constructor(source: TopologySource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /**
   * The present topology; when the caller has it already, the next one, or the same after a while.
   * @throws ServiceError OVERLOADED when too many wait
   */
  async next(after: number | undefined, epoch: string | undefined, signal: AbortSignal): Promise<Topology> {
    const present = this.#source.current();
    if (after !== present.version || epoch !== present.epoch) return present;
    if (this.#waiting.size >= MAX_WAITING) {
      throw new ServiceError("OVERLOADED", `${MAX_WAITING} clients follow the topology already.`, {
        retryAfterMs: 5_000,
      });
    }
    await new Promise<void>((resolve) => {
      const done = () => {
        cancel();
        unwatch();
        signal.removeEventListener("abort", done);
        this.#waiting.delete(done);
        resolve();
      };
      const cancel = this.#clock.after(HOLD_MS, done);
      const unwatch = this.#source.watch(done);
      signal.addEventListener("abort", done);
      this.#waiting.add(done);
    });
    return this.#source.current();
  }

  /** Answers everybody who waits, for a gateway that is about to leave. */
  endAll(): void {
    for (const done of this.#waiting) done();
  }
}
