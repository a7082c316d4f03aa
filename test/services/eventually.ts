/** What happens by itself, sooner or later. */
import { vi } from "vitest";

/** Tries until it passes: half a minute, since a machine may be busy, and what passes waits for nothing. */
export const eventually = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { timeout: 30_000, interval: 20 });
