/** The configuration in force. A policy that cannot be used changes nothing: the last good one stays, and why is told. */
import { z } from "zod";
import type { Refusal } from "#contracts/policy.ts";
import type { Clock } from "#core/clock.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import { CoordinatorConfig } from "./config.ts";
import { compilePolicy, type Policy } from "./policy/policy.ts";

export interface Settings {
  readonly current: () => CoordinatorConfig;
  readonly policy: () => Policy;
  /** What came later and was refused, here or before; null once a good one has come. */
  readonly refusal: () => Refusal | null;
  readonly replace: (config: unknown) => void;
}

/** @throws TypeError when the first policy cannot be used: there is no last good one then. */
export function createSettings(config: unknown, log: Logger, clock: Clock): Settings {
  let current = CoordinatorConfig.parse(config ?? {});
  let policy = required(compilePolicy(current.policy, current.modes));
  let refusal = current.refused;
  const refuse = (problems: readonly string[]): void => {
    refusal = { atMs: clock.now(), source: "live configuration", problems: [...problems] };
    log.warn({ problems }, "The new policy cannot be used; the one before stays in force.");
  };
  return {
    current: () => current,
    policy: () => policy,
    refusal: () => refusal,
    replace(next) {
      const { data: parsed, error } = CoordinatorConfig.safeParse(next ?? {});
      if (parsed === undefined) return refuse([`It is no configuration of the coordinator: ${z.prettifyError(error)}`]);
      const compiled = compilePolicy(parsed.policy, parsed.modes);
      if ("problems" in compiled) {
        current = { ...parsed, policy: current.policy, modes: current.modes };
        return refuse(compiled.problems);
      }
      refusal = parsed.refused;
      current = parsed;
      policy = compiled.policy;
    },
  };
}

function required(compiled: ReturnType<typeof compilePolicy>): Policy {
  if ("policy" in compiled) return compiled.policy;
  throw new TypeError(`The policy cannot be used. ${compiled.problems.join(" ")}`);
}
