/** The configuration in force. A policy that cannot be used changes nothing: the last good one stays, and why is told. */
import type { Logger } from "#runtime/telemetry/logger.ts";
import { CoordinatorConfig } from "./config.ts";
import { compilePolicy, type Policy } from "./policy/policy.ts";

export interface Settings {
  readonly current: () => CoordinatorConfig;
  readonly policy: () => Policy;
  /** What is wrong with a policy that came later and was refused. */
  readonly problems: () => readonly string[];
  readonly replace: (config: unknown) => void;
}

/** @throws TypeError when the first policy cannot be used: there is no last good one then. */
export function createSettings(config: unknown, log: Logger): Settings {
  let current = CoordinatorConfig.parse(config ?? {});
  let policy = required(compilePolicy(current.policy, current.modes));
  let problems: readonly string[] = [];
  return {
    current: () => current,
    policy: () => policy,
    problems: () => problems,
    replace(next) {
      const parsed = CoordinatorConfig.parse(next ?? {});
      const compiled = compilePolicy(parsed.policy, parsed.modes);
      if ("problems" in compiled) {
        problems = compiled.problems;
        current = { ...parsed, policy: current.policy, modes: current.modes };
        log.warn({ problems }, "The new policy cannot be used; the one before stays in force.");
        return;
      }
      problems = [];
      current = parsed;
      policy = compiled.policy;
    },
  };
}

function required(compiled: ReturnType<typeof compilePolicy>): Policy {
  if ("policy" in compiled) return compiled.policy;
  throw new TypeError(`The policy cannot be used. ${compiled.problems.join(" ")}`);
}
