import type { ServerResponse } from "node:http";

/** Resolves when the connection has room again or is gone, or nobody has anything to say any more. */
export function drained(response: ServerResponse, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      response.off("drain", settle);
      response.off("close", settle);
      signal?.removeEventListener("abort", settle);
      resolve();
    };
    response.on("drain", settle);
    response.on("close", settle);
    signal?.addEventListener("abort", settle);
  });
}
