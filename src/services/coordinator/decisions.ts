/**
 * What is done about an incident: the first rule of the policy that matches it and was not followed yet for what is to blame,
 * in the mode that holds for its skill and target, weighed by experience, and held within the blast radius.
 */
import type { CauseKind, Hypothesis, Option, RecalledCase } from "#contracts/cognitive.ts";
import type { Incident, StoryEntry } from "#contracts/incident.ts";
import type { Skill } from "#contracts/organism.ts";
import { skillName } from "#contracts/action-text.ts";
import type { Clock } from "#core/clock.ts";
import type { CompiledQuery } from "kysely";
import { type ActionRecord, hasLapsed, isAnswer, isUnderWay } from "./action.ts";
import type { Actions, NewAction, Step } from "./actions.ts";
import type { CoordinatorConfig } from "./config.ts";
import type { Conclusion } from "./deliberation.ts";
import type { IncidentRecord } from "./incident.ts";
import { SERVICES_SOURCE } from "./evidence.ts";
import { heldByMaintenance, maintenanceOf } from "./policy/maintenance.ts";
import type { Policy } from "./policy/policy.ts";
import { isBelieved, isSameCause, type SystemFigures, toSignals } from "./policy/signals-of.ts";
import { skillProblem } from "./policy/skill-fit.ts";
import { notFollowed, undecided } from "./story.ts";

export interface Decided {
  readonly decision: Incident["decision"];
  readonly entries: readonly StoryEntry[];
  readonly statements: readonly CompiledQuery<unknown>[];
  readonly stored: () => void;
}

export interface Thought extends Conclusion {
  /** For how long the same has been to blame. */
  readonly ageMs: number;
}

export interface DecisionsDeps {
  readonly policy: () => Policy;
  readonly actions: Actions;
  /** Skills by name, as the organism last told. */
  readonly skills: () => Promise<ReadonlyMap<string, Skill>>;
  readonly system: () => Promise<SystemFigures>;
  /** @param recent what counts as done or under way; what is, when left out */
  readonly heldBack: (action: ActionRecord, recent?: readonly ActionRecord[]) => Promise<string | undefined>;
  /** Whether it is worth doing, by experience, and beside what else; the policy alone chooses. */
  readonly weigh: (
    option: Omit<Option, "predictedDeltaE">,
    others: readonly Omit<Option, "predictedDeltaE">[],
    incident: IncidentRecord,
    cause: NonNullable<Incident["cause"]>,
  ) => Promise<Opinion>;
  readonly config: () => CoordinatorConfig;
  readonly clock: Clock;
}

interface Opinion {
  readonly isWorthIt: boolean;
  readonly reasoning: string;
  /** That is expected, and was before it was corrected by the ledger; null when nobody can tell. */
  readonly deltaE: number | null;
  readonly rawDeltaE: number | null;
}

export interface Decisions {
  /** @param thought what is known of its cause; without it only rules that need none can match */
  on(incident: IncidentRecord, thought: Thought | undefined, isNew: boolean): Promise<Decided>;
  /** Forgets what it remembered of an incident. */
  over(incidentId: string): void;
}

const MOST_CHECKED = 5;
/** Of one rule about one incident, as long as nobody answers. */
const MOST_PROPOSALS = 2;
const NOBODY_TO_ASK = "The organism cannot be asked how it is done.";

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
    // A person's word stands above every rule.
    if (incident.label === "not-an-incident") return { ...NOTHING, decision: incident.decision, entries: [] };
    const nowMs = clock.now();
    const own = actions.ofIncident(incident.id);
    const [skills, system] = await Promise.all([deps.skills(), deps.system()]);
    const signals = toSignals({
      incident,
      thought,
      actions: own,
      system,
      maintenanceOf: (target) => maintenanceOf(actions.maintenances.all(), target, nowMs),
      nowMs,
    });
    const isDone = (one: ActionRecord) =>
      isFollowed(one, incident.cause, actions.steadyNow(one.id)) && !isAskedAgain(one, own);
    const followed = new Set(own.filter(isDone).map(({ rule }) => rule));
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
    const problem = skills.size === 0 ? undefined : skillProblem(rule, skills);
    if (problem !== undefined) {
      tellOnce(incident.id, entries, problem, rule.name);
      return undefined;
    }
    // Of a skill that nobody knows nobody knows the risk.
    const risk = skill?.risk ?? "high";
    const repairs = risk !== "none" && (skill?.repairs ?? true) && rule.repairs !== false;
    const cause = incident.cause;
    let opinion: Opinion | undefined;
    if (repairs && cause !== null && thought !== undefined) {
      const option = toOption(rule.skill, target, risk, thought);
      opinion = await deps.weigh(option, othersThan(option, skills, thought), incident, cause);
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
      params: key === null || target === "" ? choice.params : { ...choice.params, [key]: target },
      mode,
      state: "acting",
      reason: "It is being done.",
      wouldBegin: false,
      cause,
      predictedDeltaE: opinion?.deltaE ?? null,
      rawDeltaE: opinion?.rawDeltaE ?? null,
      ...(opinion === undefined || opinion.reasoning === "" ? {} : { reasoning: opinion.reasoning }),
      measuredDeltaE: null,
      undo: null,
      undoTaskId: null,
      rawConfidence: thought === undefined ? null : namedConfidence(thought.diagnosis.cause),
      recalled: repairs && thought !== undefined ? saidOf(rule.skill, thought) : [],
      checkedSeries: repairs ? seriesToCheck(incident, thought) : [],
      decidedBy: null,
      expiresAtMs: null,
      actedAtMs: null,
      endedAtMs: null,
    };
    if (skill === undefined && target !== "") {
      // Its parameters lack what it is done to: it would fail, or be done to something else.
      return actions.create({ ...action, state: "held", reason: NOBODY_TO_ASK }, held);
    }
    return actions.create(await placed(action, held, nowMs), held);
  }

  /** With the state that the times of maintenance, its mode and the blast radius leave it. */
  async function placed(action: NewAction, held: ActionRecord | undefined, nowMs: number): Promise<NewAction> {
    const { mode } = action;
    const asked = { ...action, id: held?.id ?? "", createdAtMs: nowMs, taskId: null };
    const maintenance = heldByMaintenance(action, actions.maintenances.all(), nowMs);
    if (maintenance !== undefined) return { ...action, state: "observed", endedAtMs: nowMs, reason: maintenance };
    if (mode === "observe") {
      const reason = await wouldBeHeld(asked);
      return reason === undefined
        ? { ...action, state: "observed", wouldBegin: true, endedAtMs: nowMs, reason: "The mode is observe." }
        : { ...action, state: "held", reason };
    }
    if (mode === "propose") {
      const expiresAtMs = nowMs + deps.config().approvals.expireMs;
      const isRepeated = actions
        .ofIncident(action.incidentId)
        .some((one) => one.rule === action.rule && hasLapsed(one));
      const again = isRepeated ? " Nobody decided in time before; it is asked for the last time." : "";
      return { ...action, state: "proposed", expiresAtMs, reason: `A person must approve it.${again}` };
    }
    const reason = await deps.heldBack(asked);
    return reason === undefined ? action : { ...action, state: "held", reason };
  }

  /** Why it would have to wait if all that is written down had been done. */
  async function wouldBeHeld(action: ActionRecord): Promise<string | undefined> {
    if (action.risk === "none") return undefined;
    const { settleMs, withinMs } = deps.config().effects;
    const recent = actions.recent().map((one) => asIfDone(one, settleMs + withinMs, actions.steadyNow(one.id)));
    // Nothing else is decided about an incident while something is under way for it.
    const busy = recent.find((one) => one.incidentId === action.incidentId && one.wouldBegin && isUnderWay(one));
    if (busy !== undefined) return `${skillName(busy)} would be under way (${busy.id}).`;
    return deps.heldBack(action, recent);
  }

  return { on, over: (incidentId) => void told.delete(incidentId) };
}

/** What its mode alone kept from being begun, as it were in the mode act: looked after for a time, then done. */
function asIfDone(action: ActionRecord, lookedAfterMs: number, nowMs: number): ActionRecord {
  const { wouldBegin, risk, createdAtMs } = action;
  if (!wouldBegin || risk === "none") return action;
  const observedAtMs = action.endedAtMs ?? createdAtMs;
  return {
    ...action,
    state: nowMs - observedAtMs < lookedAfterMs ? "checking" : "unknown",
    begunAtMs: observedAtMs,
    actedAtMs: observedAtMs,
  };
}

/** Whether its rule has had its turn: what helped did so against one cause, and another may have come since, or the same anew. */
function isFollowed(action: ActionRecord, cause: Incident["cause"], nowMs: number): boolean {
  const { state, cause: before } = action;
  if (state !== "helped" || before === null || cause === null || cause.kind === "unknown") return state !== "held";
  return isSameCause(before, cause) && isAnswer(action, nowMs);
}

/** A proposal that nobody decided on in time is made once more. */
function isAskedAgain(action: ActionRecord, own: readonly ActionRecord[]): boolean {
  if (!hasLapsed(action)) return false;
  return own.filter((one) => one.rule === action.rule && hasLapsed(one)).length < MOST_PROPOSALS;
}

const NOTHING = { statements: [], stored: () => {} };

const namedConfidence = ({ kind, rawConfidence }: Hypothesis): number | null =>
  kind === "unknown" ? null : rawConfidence;

/** A like case with the same cause in which the skill was tried, and whether it helped there. */
interface Said {
  readonly one: RecalledCase;
  readonly helped: boolean | null;
}

function ofSame(skill: string, { evidence, diagnosis }: Thought): Said[] {
  return evidence.cases
    .filter(({ cause }) => isSameCause(cause, diagnosis.cause))
    .flatMap((one) => {
      if (one.action?.skill === skill) return [{ one, helped: one.helped }];
      return one.useless?.some((other) => other.skill === skill) ? [{ one, helped: false }] : [];
    });
}

const saidOf = (skill: string, thought: Thought): ActionRecord["recalled"] =>
  ofSame(skill, thought).flatMap(({ one, helped }) => (helped === null ? [] : [{ id: one.id, helped }]));

/** What those say of it that are believed. */
function toOption(skill: string, target: string, risk: Option["risk"], thought: Thought) {
  const alike = ofSame(skill, thought).filter(({ one }) => isBelieved(one));
  return {
    skill,
    target,
    risk,
    helped: alike.filter(({ helped }) => helped === true).length,
    failed: alike.filter(({ helped }) => helped === false).length,
    cases: alike.filter(({ helped }) => helped !== null).map(({ one }) => one.id),
  };
}

/** What else could be done to the same: skills that are meant for such a cause, or have helped against it. */
function othersThan(option: ReturnType<typeof toOption>, skills: ReadonlyMap<string, Skill>, thought: Thought) {
  return [...skills.values()]
    .filter(({ name, repairs }) => name !== option.skill && repairs)
    .map(({ name, risk, remedies }) => ({ remedies, other: toOption(name, option.target, risk, thought) }))
    .filter(({ remedies, other }) => remedies.includes(thought.diagnosis.cause.kind) || other.helped > 0)
    .map(({ other }) => other);
}

/** The metric by which trouble of a kind shows. */
const SHOWN_BY: Readonly<Partial<Record<CauseKind, string>>> = {
  latency: "latency",
  errors: "errors",
  memory: "memory",
  crash: "errors",
};

/**
 * The series of what is to blame. When none of its own has moved: those of other services; when none of any has, its own by
 * which such trouble shows, since what moved cannot tell whether it is over; and all of the incident's when it blames no service.
 */
function seriesToCheck(incident: IncidentRecord, thought: Thought | undefined): string[] {
  const service = incident.cause?.service ?? null;
  const moved = (thought?.evidence.movements ?? []).filter((one) => one.service !== null && !one.isCleared);
  const own = moved.filter((one) => one.service === service);
  const named = (own.length > 0 ? own : moved).map(({ series }) => series);
  const metric = SHOWN_BY[incident.cause?.kind ?? "unknown"];
  if (service === null || thought === undefined || (named.length === 0 && metric === undefined)) {
    return atMost(incident.series);
  }
  return atMost(named.length > 0 ? named : [`${SERVICES_SOURCE}/${service}/${metric}`]);
}

const atMost = (series: readonly string[]): string[] => [...new Set(series)].slice(0, MOST_CHECKED);
