import { once } from "node:events";
import type { ServerResponse } from "node:http";

/** Resolves when the connection has room again or is gone. */
export async function drained(response: ServerResponse): Promise<void> {
  const done = new AbortController();
  await Promise.race([
    once(response, "drain", { signal: done.signal }),
    once(response, "close", { signal: done.signal }),
  ]).finally(() => done.abort());
}
