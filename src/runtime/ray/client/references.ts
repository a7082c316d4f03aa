import type { Clock } from "#core/clock.ts";
import type { Datapath } from "./datapath.ts";

/** Releases leave together: one message a call would cost a tenth of all calls, and Ray keeps small things that long. */
const BATCH_DELAY_MS = 100;
const BATCH_SIZE = 512;
const RELEASE_DEADLINE_MS = 30_000;

/** A claim on something that Ray keeps for this session. */
export interface Claim {
  /** Gives the claim up; Ray forgets the thing when its last claim is gone. Again is harmless. */
  release(): void;
}

/** What Ray keeps for a session: objects, actors. Without a release it stays in the head's memory until the session ends. */
export interface References {
  /** Claims `id` for `holder`, until it is released or `holder` is collected. */
  claim(id: Uint8Array, holder: object): Claim;
  /** Claims that are not released. */
  readonly size: number;
}

export function createReferences(datapath: Datapath, clock: Clock): References {
  const claims = new Map<string, number>();
  const leaving = new Map<string, Uint8Array>();
  let cancelFlush: (() => void) | undefined;

  const flush = () => {
    cancelFlush?.();
    cancelFlush = undefined;
    if (leaving.size === 0 || datapath.lost.aborted) return;
    const ids = [...leaving.values()];
    leaving.clear();
    const time = { deadlineAtMs: clock.monotonic() + RELEASE_DEADLINE_MS };
    // A release that fails is one of a session that ends, and with it everything it held.
    datapath.ask("releasing references", { case: "release", value: { ids } }, "release", time).catch(() => {});
  };

  const giveUp = (key: string, id: Uint8Array) => {
    const left = (claims.get(key) ?? 0) - 1;
    if (left > 0) return void claims.set(key, left);
    claims.delete(key);
    if (datapath.lost.aborted) return;
    leaving.set(key, id);
    if (leaving.size >= BATCH_SIZE) flush();
    else cancelFlush ??= clock.after(BATCH_DELAY_MS, flush);
  };

  datapath.lost.addEventListener("abort", () => cancelFlush?.(), { once: true });
  const collected = new FinalizationRegistry<Claim>((claim) => claim.release());

  return {
    claim(id, holder) {
      const key = Buffer.from(id).toString("latin1");
      claims.set(key, (claims.get(key) ?? 0) + 1);
      // Ray gave out the same thing again before its release had left.
      leaving.delete(key);
      let held = true;
      const release = () => {
        if (!held) return;
        held = false;
        giveUp(key, id);
      };
      const token = {};
      collected.register(holder, { release }, token);
      return {
        release() {
          collected.unregister(token);
          release();
        },
      };
    },
    get size() {
      let total = 0;
      for (const count of claims.values()) total += count;
      return total;
    },
  };
}
