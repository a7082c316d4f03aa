/** A dry run: what a policy would have decided on past incidents, by what was known of them in the end. */
import type { RecalledCase } from "#contracts/cognitive.ts";
import type { coordinator } from "#contracts/coordinator.ts";
import type { Skill } from "#contracts/organism.ts";
import type { state } from "#contracts/state.ts";
import type { OutputOf } from "#core/contract.ts";
import type { Client } from "#runtime/client/client.ts";
import type { z } from "zod";
import type { ActionStore } from "./action-store.ts";
import { toIncident } from "./incident.ts";
import type { IncidentStore, StoredDiagnosis } from "./incident-store.ts";
import { compilePolicy } from "./policy/policy.ts";
import { toSignals } from "./policy/signals-of.ts";
import type { Signals } from "./policy/signals.ts";
import type { Settings } from "./settings.ts";

/** As many as are recalled at once. */
const MOST_CASES = 100;
const BRIEF = { priority: "background", deadlineMs: 2_000 } as const;

type Test = (typeof coordinator)["procedures"]["testPolicy"];
export type PolicyTrial = (input: z.output<Test["input"]>) => Promise<OutputOf<Test>>;

/** The trial fails with the error of `state` while the cases cannot be asked for: without them it would tell something else. */
export function createPolicyTrial(deps: {
  readonly settings: Settings;
  readonly incidents: IncidentStore;
  readonly actions: ActionStore;
  readonly skills: () => Promise<ReadonlyMap<string, Skill>>;
  readonly state: Pick<Client<typeof state>, "recallCases">;
}): PolicyTrial {
  /** Those that an incident was compared with, as they are believed now; undefined unless all are still remembered. */
  async function casesOf({ diagnosis, recalled }: StoredDiagnosis): Promise<readonly RecalledCase[] | undefined> {
    if (recalled.length === 0) return [];
    const signature = diagnosis.signature.slice(0, 1_000);
    const { cases } = await deps.state.recallCases({ signature, limit: MOST_CASES, minLikeness: 0 }, BRIEF);
    const found = cases.filter(({ id }) => recalled.includes(id));
    return found.length === recalled.length ? found : undefined;
  }

  return async ({ rules, modes, sinceMs, limit }) => {
    const current = deps.settings.current();
    const skills = await deps.skills();
    // None is known while the organism cannot be asked: then nothing can be said of them.
    const compiled = compilePolicy(
      rules ?? current.policy,
      modes ?? current.modes,
      skills.size === 0 ? undefined : skills,
    );
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
      const cases = stored === undefined ? [] : await casesOf(stored);
      const known = toSignals({
        incident,
        // As when it was last touched: rules may ask how long it has been.
        thought:
          stored === undefined
            ? undefined
            : { ...stored, ageMs: incident.updatedAtMs - stored.sinceMs, cases: cases ?? [] },
        actions,
        system: { openIncidents: 0 },
        moved: crossings.map(({ crossing }) => crossing),
        maintenanceOf: () => undefined,
        nowMs: incident.updatedAtMs,
      });
      const signals: Signals = {
        ...known,
        recalled: cases === undefined ? unkept("recalled", known.recalled) : known.recalled,
        system: unkept("system", known.system),
      };
      const errors: string[] = [];
      const unknown: string[] = [];
      const choice = policy.decide(signals, {
        followed: new Set(),
        onError(problem, { name }, error) {
          if (!(error instanceof NotKept)) return errors.push(problem);
          unknown.push(name);
          return errors.push(
            `Rule "${name}" reads ${error.message}, which is not kept of the past: whether it would have decided is not known.`,
          );
        },
      });
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
        unknown,
      });
    }
    return { problems: [], decisions };
  };
}

/** A signal that was asked for, and of whose value in the past nobody knows. */
class NotKept extends Error {}

/** The same group of signals; each ends the rule that asks for it. Not one without a value: has() would say that it had none. */
function unkept<T extends object>(group: string, signals: T): T {
  const properties = Object.keys(signals).map((name) => [
    name,
    {
      enumerable: true,
      get(): never {
        throw new NotKept(`${group}.${name}`);
      },
    },
  ]);
  return Object.defineProperties({}, Object.fromEntries(properties) as PropertyDescriptorMap) as T;
}
