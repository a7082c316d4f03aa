/**
 * What is done about an incident: the first rule of the policy that matches it and was not followed yet, in the mode that
 * holds for its skill and target, weighed by experience, and held within the blast radius.
 */
import type { Option } from "#contracts/cognitive.ts";
import type { Incident, StoryEntry } from "#contracts/coordinator.ts";
import type { Skill } from "#contracts/organism.ts";
import type { Clock } from "#core/clock.ts";
import type { CompiledQuery } from "kysely";
import type { ActionRecord } from "./action.ts";
import type { Actions, NewAction, Step } from "./actions.ts";
import type { CoordinatorConfig } from "./config.ts";
import type { Conclusion } from "./deliberation.ts";
import type { IncidentRecord } from "./incident.ts";
import { maintenanceOf } from "./policy/maintenance.ts";
import { noSkill, type Policy } from "./policy/policy.ts";
import { type SystemFigures, toSignals } from "./policy/signals-of.ts";
import { notFollowed, undecided } from "./story.ts";

export interface Decided {
  readonly decision: Incident["decision"];
  readonly entries: readonly StoryEntry[];
  readonly statements: readonly CompiledQuery<unknown>[];
  readonly stored: () => void;
}

export interface Thought extends Conclusion {
  /** Since when the same has been to blame. */
  readonly sinceMs: number;
}

export interface DecisionsDeps {
  readonly policy: () => Policy;
  readonly actions: Actions;
  /** Skills by name, as the organism last told. */
  readonly skills: () => Promise<ReadonlyMap<string, Skill>>;
  readonly system: () => Promise<SystemFigures>;
  readonly heldBack: (action: ActionRecord) => Promise<string | undefined>;
  /** Whether it is worth doing, by experience: ΔE that is expected, or why not. */
  readonly weigh: (
    option: Omit<Option, "predictedDeltaE">,
    incident: IncidentRecord,
    cause: NonNullable<Incident["cause"]>,
  ) => Promise<{ readonly isWorthIt: boolean; readonly reasoning: string; readonly deltaE: number | null }>;
  readonly config: () => CoordinatorConfig;
  readonly clock: Clock;
}

export interface Decisions {
  /** @param thought what is known of its cause; without it only rules that need none can match */
  on(incident: IncidentRecord, thought: Thought | undefined, isNew: boolean): Promise<Decided>;
  /** Forgets what it remembered of an incident. */
  over(incidentId: string): void;
}

const MOST_CHECKED = 5;

export function createDecisions(deps: DecisionsDeps): Decisions {
  const { actions, clock } = deps;
  /** What was told of an incident and need not be told again, such as a rule that is not worth following. */
  const told = new Map<string, Set<string>>();

  function tellOnce(incidentId: string, entries: StoryEntry[], text: string, key = text): void {
    const known = told.get(incidentId) ?? new Set();
    if (!known.has(key)) entries.push(notFollowed(text, clock.now()));
    told.set(incidentId, known.add(key));
  }

  async function on(incident: IncidentRecord, thought: Thought | undefined, isNew: boolean): Promise<Decided> {
    const nowMs = clock.now();
    const own = actions.ofIncident(incident.id);
    const [skills, system] = await Promise.all([deps.skills(), deps.system()]);
    const signals = toSignals({
      incident,
      thought,
      actions: own,
      system,
      maintenanceOf: (target) => maintenanceOf(actions.maintenances(), target, nowMs),
      nowMs,
    });
    const followed = new Set(own.filter(({ state }) => state !== "held").map(({ rule }) => rule));
    const entries: StoryEntry[] = [];
    for (;;) {
      const choice = deps.policy().decide(signals, {
        followed,
        onError: (problem) => tellOnce(incident.id, entries, problem),
      });
      if (choice === undefined) {
        const isUndecided = isNew && own.length === 0;
        return {
          ...NOTHING,
          decision: incident.decision,
          entries: isUndecided ? [...entries, undecided(nowMs)] : entries,
        };
      }
      followed.add(choice.rule.name);
      const step = await take(choice, incident, thought, skills, entries);
      if (step === undefined) continue;
      const { rule, skill, taskId } = step.after;
      return {
        decision: { rule, skill, taskId },
        entries: [...entries, ...step.entries],
        statements: step.statements,
        stored: step.stored,
      };
    }
  }

  /** Undefined when nothing is to be done by this rule, or nothing new. */
  async function take(
    choice: NonNullable<ReturnType<Policy["decide"]>>,
    incident: IncidentRecord,
    thought: Thought | undefined,
    skills: ReadonlyMap<string, Skill>,
    entries: StoryEntry[],
  ): Promise<Step | undefined> {
    const nowMs = clock.now();
    const { rule, target } = choice;
    const held = actions.ofIncident(incident.id).find((one) => one.rule === rule.name && one.state === "held");
    const skill = skills.get(rule.skill);
    // None is known while the organism cannot be asked.
    if (skill === undefined && skills.size > 0) {
      tellOnce(incident.id, entries, noSkill(rule.name, rule.skill, skills), rule.name);
      return undefined;
    }
    // Of a skill that nobody knows nobody knows the risk.
    const risk = skill?.risk ?? "high";
    const cause = incident.cause;
    let predictedDeltaE: number | null = null;
    if (risk !== "none" && cause !== null && thought !== undefined) {
      const opinion = await deps.weigh(toOption(rule.skill, target, risk, thought), incident, cause);
      predictedDeltaE = opinion.deltaE;
      if (!opinion.isWorthIt) {
        const text = `Rule "${rule.name}" is not followed. ${opinion.reasoning}`;
        tellOnce(incident.id, entries, text, rule.name);
        return undefined;
      }
    }
    const mode = deps.policy().modeOf(rule.skill, target, risk);
    const key = skill?.targetParam ?? null;
    const action: NewAction = {
      incidentId: incident.id,
      rule: rule.name,
      skill: rule.skill,
      target,
      risk,
      params: key === null || target === "" ? choice.params : { [key]: target, ...choice.params },
      mode,
      state: "acting",
      reason: "It is being done.",
      cause,
      predictedDeltaE,
      measuredDeltaE: null,
      undo: null,
      undoTaskId: null,
      recalled: thought?.evidence.cases.map(({ id }) => id) ?? [],
      checkedSeries: risk === "none" ? [] : seriesToCheck(incident, thought),
      decidedBy: null,
      expiresAtMs: null,
      actedAtMs: null,
      endedAtMs: null,
    };
    return actions.create(await placed(action, held, nowMs), held);
  }

  /** With the state that its mode, the times of maintenance and the blast radius leave it. */
  async function placed(action: NewAction, held: ActionRecord | undefined, nowMs: number): Promise<NewAction> {
    const { risk, target, mode } = action;
    if (mode === "observe") {
      return { ...action, state: "observed", endedAtMs: nowMs, reason: "The mode is observe." };
    }
    const maintenance = risk === "none" ? undefined : maintenanceOf(actions.maintenances(), target, nowMs);
    if (maintenance !== undefined) {
      const reason = `There is maintenance of ${maintenance.target} (${maintenance.id}).`;
      return { ...action, state: "observed", endedAtMs: nowMs, reason };
    }
    if (mode === "propose") {
      const expiresAtMs = nowMs + deps.config().approvals.expireMs;
      return { ...action, state: "proposed", expiresAtMs, reason: "A person must approve it." };
    }
    const reason = await deps.heldBack({ ...action, id: held?.id ?? "", createdAtMs: nowMs, taskId: null });
    return reason === undefined ? action : { ...action, state: "held", reason };
  }

  return { on, over: (incidentId) => void told.delete(incidentId) };
}

const NOTHING = { statements: [], stored: () => {} };

/** What like cases say of the same skill against the same kind of cause. */
function toOption(skill: string, target: string, risk: Option["risk"], { evidence, diagnosis }: Thought) {
  const alike = evidence.cases.filter(
    ({ action, cause }) => action?.skill === skill && cause !== null && cause.kind === diagnosis.cause.kind,
  );
  return {
    skill,
    target,
    risk,
    helped: alike.filter(({ helped }) => helped === true).length,
    failed: alike.filter(({ helped }) => helped === false).length,
  };
}

/** The series of what is to blame; all of the incident's when none of its own has moved. */
function seriesToCheck(incident: IncidentRecord, thought: Thought | undefined): string[] {
  const moved = thought?.evidence.movements ?? [];
  const own = moved.filter(
    ({ service, isCleared }) => service !== null && service === incident.cause?.service && !isCleared,
  );
  const named = own.length > 0 ? own.map(({ series }) => series) : incident.series;
  return [...new Set(named)].slice(0, MOST_CHECKED);
}
