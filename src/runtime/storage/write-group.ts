/** Writes that wait, and how many of them share the next commit. */
import type { Write, WriteResult } from "./database.ts";

export interface PendingWrite {
  readonly statements: readonly Write[];
  readonly resolve: (results: readonly WriteResult[]) => void;
  readonly reject: (error: unknown) => void;
}

/** A group that would hold the lock, and memory, for long is cut short here. */
const MAX_GROUP_BYTES = 4 * 1024 * 1024;

/** How many of the waiting writes go into the next group: at least one. */
export function groupLength(writes: readonly PendingWrite[], maxGroup: number): number {
  let bytes = 0;
  for (let length = 0; length < writes.length; length++) {
    if (length === maxGroup || bytes > MAX_GROUP_BYTES) return length;
    for (const { query } of writes[length]?.statements ?? []) {
      for (const value of query.parameters) {
        if (typeof value === "string") bytes += value.length;
        else if (value instanceof Uint8Array) bytes += value.byteLength;
      }
    }
  }
  return writes.length;
}
