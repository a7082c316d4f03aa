/** What one round does, from the seed alone. */
import { between, oneOf, randomAt } from "./seeds.ts";

export type Host = "gateway" | "core" | "ml";
export type Victim = Host | "supervisor";

/** A command that reads a file while things are killed. */
export interface WatchPlan {
  readonly rows: number;
  /** When the command itself is killed and started again, after the round's start. */
  readonly killAfterMs: number | undefined;
}

export interface RoundPlan {
  readonly round: number;
  readonly victims: readonly Victim[];
  /** From the start of the writers. */
  readonly killAfterMs: number;
  readonly watch: WatchPlan | undefined;
  /** A supervisor that was killed is started again with `up --detach` instead of `up`. */
  readonly detached: boolean;
}

const LEAST_KILL_AFTER_MS = 20;
const MOST_KILL_AFTER_MS = 1_500;

export function planRound(seed: number, round: number): RoundPlan {
  const random = randomAt(seed, round, 0);
  const victims = drawVictims(random.next(), () => oneOf(random, ["gateway", "core", "ml"] as const));
  const killAfterMs = between(random, LEAST_KILL_AFTER_MS, MOST_KILL_AFTER_MS);
  const detached = random.next() < 0.3;
  const isWatching = random.next() < 0.25;
  const rows = between(random, 5_000, 20_000);
  const killsWatch = random.next() < 0.4;
  const watchKilledMs = between(random, 100, 1_500);
  const watch = isWatching ? { rows, killAfterMs: killsWatch ? watchKilledMs : undefined } : undefined;
  return { round, victims, killAfterMs, watch, detached };
}

function drawVictims(draw: number, spared: () => Host): readonly Victim[] {
  if (draw < 0.15) return ["gateway"];
  if (draw < 0.4) return ["core"];
  if (draw < 0.65) return ["ml"];
  if (draw < 0.8) {
    const kept = spared();
    return (["gateway", "core", "ml"] as const).filter((host) => host !== kept);
  }
  return ["supervisor"];
}
