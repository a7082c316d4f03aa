import type { Listening } from "#runtime/engine/ray/registry.ts";
import { type Config, EVERY_ADDRESS } from "../config-schema.ts";

/** Where hosts listen on a cluster: of single addresses each node has its own. */
export function toListening({ bindAddress, portRange }: Pick<Config, "bindAddress" | "portRange">): Listening {
  return {
    ...(EVERY_ADDRESS.includes(bindAddress) && { bindAddress }),
    ...(portRange !== undefined && { portRange }),
  };
}
