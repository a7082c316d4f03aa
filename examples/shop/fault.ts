/** A fault that a service of the shop can be given, for trying what the organism makes of it. It is told to nobody else. */
import { procedure, ServiceError, z } from "seedcore";

/** latency: `size` ms more for each call · errors: `size` is the share of calls that fail · memory: leaks `size` MB a second. */
export const fault = procedure({
  summary: "Gives this process a fault, or takes it back.",
  method: "PUT",
  path: "/fault",
  input: z.object({
    kind: z.enum(["none", "latency", "errors", "memory"]),
    size: z.number().min(0).max(10_000).default(0),
  }),
  output: z.object({ kind: z.string() }),
});

type Fault = { readonly kind: "none" | "latency" | "errors" | "memory"; readonly size: number };

const LEAK_EVERY_MS = 100;

export function createWork(usualMs: number) {
  let current: Fault = { kind: "none", size: 0 };
  let leaked: Buffer[] = [];
  let leak: NodeJS.Timeout | undefined;

  return {
    /** What a call costs here, the fault included. */
    async work(): Promise<void> {
      const extraMs = current.kind === "latency" ? current.size : 0;
      await new Promise((resolve) => setTimeout(resolve, usualMs * (0.7 + 0.6 * Math.random()) + extraMs));
      if (current.kind === "errors" && Math.random() < current.size) {
        throw new ServiceError("INTERNAL", "The shop has a bug here.");
      }
    },

    async fault(next: Fault): Promise<{ kind: string }> {
      clearInterval(leak);
      leaked = [];
      current = next;
      if (next.kind === "memory") {
        // Filled, so that the pages are really there.
        leak = setInterval(
          () => leaked.push(Buffer.alloc((next.size * 1e6 * LEAK_EVERY_MS) / 1_000, 1)),
          LEAK_EVERY_MS,
        );
      }
      return { kind: next.kind };
    },
  };
}
