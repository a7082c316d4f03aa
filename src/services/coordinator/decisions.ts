/** What is done about an incident: the rule of the policy table that matches it, and the task that comes of it. */
import type { CompiledQuery } from "kysely";
import type { Incident, PolicyRule, StoryEntry } from "#contracts/coordinator.ts";
import type { Clock } from "#core/clock.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import type { IncidentRecord } from "./incident.ts";
import { decide, fillParams } from "./policy-table.ts";
import type { Routes } from "./routes.ts";
import { decided } from "./story.ts";
import type { TaskRecord } from "./task.ts";
import type { NewTask } from "./tasks.ts";

export interface Decision {
  readonly decision: Incident["decision"];
  readonly entries: readonly StoryEntry[];
  /** Not stored yet: it goes into the write that stores the decision. */
  readonly prepared?: { readonly task: TaskRecord; readonly insert: CompiledQuery };
}

export interface Decisions {
  /** Decides at the opening, and again when it has become worse: another rule may match then. */
  on(before: IncidentRecord | undefined, incident: IncidentRecord): Promise<Decision>;
}

/** A task whose skill the organism does not know now still gets its chance, with these. */
const UNROUTED = { timeoutMs: 30_000, idempotent: false } as const;

export function createDecisions(deps: {
  readonly policy: () => readonly PolicyRule[];
  readonly routes: Routes;
  readonly prepareTask: (input: NewTask) => { readonly task: TaskRecord; readonly insert: CompiledQuery };
  readonly clock: Clock;
  readonly log: Logger;
}): Decisions {
  return {
    async on(before, incident) {
      if (before !== undefined && before.severity === incident.severity)
        return { decision: before.decision, entries: [] };
      const rule = decide(deps.policy(), incident);
      if (before !== undefined && rule?.name === before.decision?.rule)
        return { decision: before.decision, entries: [] };
      const nowMs = deps.clock.now();
      if (rule === undefined) {
        return { decision: before?.decision ?? null, entries: [decided(undefined, null, nowMs)] };
      }
      const route = await deps.routes.resolve(rule.skill, undefined).catch((error: unknown) => {
        deps.log.warn({ err: error, skill: rule.skill }, "The organism could not say where the skill of a rule goes.");
        return UNROUTED;
      });
      const prepared = deps.prepareTask({
        type: rule.skill,
        description: `Rule "${rule.name}" for incident ${incident.id}: ${incident.title}`,
        params: fillParams(rule.params, incident),
        priority: 8,
        maxAttempts: 3,
        timeoutMs: route.timeoutMs,
        repeatable: route.idempotent,
        submittedBy: "service:coordinator",
        incidentId: incident.id,
      });
      return {
        decision: { rule: rule.name, skill: rule.skill, taskId: prepared.task.id },
        entries: [decided(rule, prepared.task.id, nowMs)],
        prepared,
      };
    },
  };
}
