/** A dry run: what a policy would have decided on past incidents, by what was known of them in the end. */
import type { coordinator } from "#contracts/coordinator.ts";
import type { Skill } from "#contracts/organism.ts";
import type { Clock } from "#core/clock.ts";
import type { OutputOf } from "#core/contract.ts";
import type { z } from "zod";
import type { ActionStore } from "./action-store.ts";
import { toIncident } from "./incident.ts";
import type { IncidentStore } from "./incident-store.ts";
import { compilePolicy } from "./policy/policy.ts";
import { toSignals } from "./policy/signals-of.ts";
import type { Settings } from "./settings.ts";

type Test = (typeof coordinator)["procedures"]["testPolicy"];
export type PolicyTrial = (input: z.output<Test["input"]>) => Promise<OutputOf<Test>>;

export function createPolicyTrial(deps: {
  readonly settings: Settings;
  readonly incidents: IncidentStore;
  readonly actions: ActionStore;
  readonly skills: () => Promise<ReadonlyMap<string, Skill>>;
  readonly clock: Clock;
}): PolicyTrial {
  return async ({ rules, modes, sinceMs, limit }) => {
    const current = deps.settings.current();
    const skills = await deps.skills();
    // None is known while the organism cannot be asked: then nothing can be said of them.
    const names = skills.size === 0 ? undefined : new Set(skills.keys());
    const compiled = compilePolicy(rules ?? current.policy, modes ?? current.modes, names);
    if ("problems" in compiled) return { problems: [...compiled.problems], decisions: [] };
    const { policy } = compiled;
    const { incidents } = await deps.incidents.list({ state: undefined, sinceMs, limit });
    const decisions = [];
    for (const incident of incidents) {
      const [stored, actions, crossings] = await Promise.all([
        deps.incidents.diagnosis(incident.id),
        deps.actions.ofIncident(incident.id),
        deps.incidents.crossingsOf(incident.id),
      ]);
      const signals = toSignals({
        incident,
        thought: stored === undefined ? undefined : stored,
        actions: [],
        system: { openIncidents: 1 },
        moved: crossings.map(({ crossing }) => crossing),
        maintenanceOf: () => undefined,
        // As when it was last touched: rules may ask how long it has been.
        nowMs: incident.updatedAtMs,
      });
      const errors: string[] = [];
      const choice = policy.decide(signals, { followed: new Set(), onError: (problem) => errors.push(problem) });
      const risk = choice === undefined ? "none" : (skills.get(choice.rule.skill)?.risk ?? "high");
      decisions.push({
        incidentId: incident.id,
        title: toIncident(incident).title,
        rule: choice?.rule.name ?? null,
        skill: choice?.rule.skill ?? null,
        target: choice?.target ?? "",
        mode: choice === undefined ? null : policy.modeOf(choice.rule.skill, choice.target, risk),
        actual: actions.length === 0 ? null : actions.map(({ rule, state }) => `${rule} (${state})`).join(", "),
        errors,
      });
    }
    return { problems: [], decisions };
  };
}
