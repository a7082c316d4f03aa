import { randomUUID } from "node:crypto";
import type { Registry } from "./registry.ts";

/** A lock of the registry, as one holder has it. */
export interface Lock {
  /** Takes or extends it: false when another has it. Rejects when the registry does not answer. */
  acquire(): Promise<boolean>;
  /** Gives it back, when every `acquire` has been answered: one that arrived later would take it again. Never rejects. */
  release(): Promise<void>;
}

/** One who dies with it keeps the others waiting for `ttlMs`; one who cannot give it back, too. */
export function createLock(registry: Pick<Registry, "acquire" | "release">, name: string, ttlMs: number): Lock {
  const holder = randomUUID();
  let answered: Promise<unknown> = Promise.resolve();
  return {
    acquire() {
      const asked = registry.acquire(name, holder, ttlMs);
      answered = Promise.allSettled([answered, asked]);
      return asked;
    },
    async release() {
      await answered;
      await registry.release(name, holder).catch(() => {});
    },
  };
}
