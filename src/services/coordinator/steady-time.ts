/** What time it is for what began at a stored wall time: durations go on evenly though somebody sets the wall clock. */
import type { Clock } from "#core/clock.ts";

export interface SteadyTime {
  /** Something is as `mark` says since now, or since it was read; while it stays so, its time goes on evenly. */
  note(key: string, mark: string | number | null): void;
  /**
   * Wall time as it would be now had nobody set it since that was noted; as it is for what was not. A restart forgets: wall
   * time is all there is then.
   */
  now(key: string): number;
  forget(key: string): void;
}

export function createSteadyTime(clock: Pick<Clock, "now" | "monotonic">): SteadyTime {
  /** Of each: wall time less monotonic time when it was noted. */
  const noted = new Map<string, { readonly mark: string | number | null; readonly offsetMs: number }>();
  const offsetMs = () => clock.now() - clock.monotonic();
  return {
    note(key, mark) {
      if (noted.get(key)?.mark !== mark) noted.set(key, { mark, offsetMs: offsetMs() });
    },
    now: (key) => clock.monotonic() + (noted.get(key)?.offsetMs ?? offsetMs()),
    forget: (key) => void noted.delete(key),
  };
}
