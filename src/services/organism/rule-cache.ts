/** The routing rules in memory: every execution needs them. Another replica's change is seen within five seconds. */
import type { RoutingRule } from "#contracts/organism.ts";
import type { Clock } from "#core/clock.ts";
import { runDetached } from "#runtime/call.ts";

export interface RuleCache {
  rules(): Promise<readonly RoutingRule[]>;
  /** The next question is put to the database. */
  forget(): void;
}

const KEPT_MS = 5_000;

export function createRuleCache(read: () => Promise<readonly RoutingRule[]>, clock: Clock): RuleCache {
  let kept: { readonly rules: Promise<readonly RoutingRule[]>; readonly untilMs: number } | undefined;
  return {
    rules() {
      if (kept !== undefined && clock.monotonic() < kept.untilMs) return kept.rules;
      const rules = runDetached(read);
      const fresh = { rules, untilMs: clock.monotonic() + KEPT_MS };
      kept = fresh;
      rules.catch(() => {
        if (kept === fresh) kept = undefined;
      });
      return rules;
    },
    forget() {
      kept = undefined;
    },
  };
}
