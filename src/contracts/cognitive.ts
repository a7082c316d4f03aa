/**
 * cognitive: reasons over evidence — what moved, what was changed, who calls whom, what helped before. Symbolic and
 * deterministic: the same evidence gives the same answer, and every conclusion names what it rests on.
 */
import { z } from "zod";
import { defineContract, procedure } from "#core/contract.ts";

/** A measurement; larger ones are none, and would make arithmetic overflow. */
const Figure = z.number().min(0).max(1e12);
const Count = z.int().min(0).max(1_000_000_000);

/** One series that left its routine. */
export const Movement = z.object({
  /** `<source>/<series>` */
  series: z.string(),
  /** The service it tells of, where that is known: of `services/cart/latency` it is `cart`. */
  service: z.string().nullable(),
  /** requests, errors, latency, memory, or the series' own name. */
  metric: z.string(),
  startedAtMs: z.number(),
  direction: z.enum(["up", "down"]),
  value: z.number(),
  /** The level before, and the spread around it that was routine. */
  expected: z.number(),
  spread: z.number(),
  /** Whether it is routine again. */
  isCleared: z.boolean(),
});
export type Movement = z.output<typeof Movement>;

/** Means over a window; null where nothing is known. Self is without the time and the errors of the calls it made itself. */
export const ServiceFigures = z.object({
  requestsPerS: Figure.nullable(),
  errorsPerS: Figure.nullable(),
  latencyMs: Figure.nullable(),
  selfErrorsPerS: Figure.nullable(),
  selfLatencyMs: Figure.nullable(),
  memoryMb: Figure.nullable(),
});
export type ServiceFigures = z.output<typeof ServiceFigures>;

export const EdgeFigures = z.object({
  callsPerS: Figure,
  errorsPerS: Figure,
  latencyMs: Figure.nullable(),
});
export type EdgeFigures = z.output<typeof EdgeFigures>;

/** Who calls whom, now and before: the live dependency map. */
export const CallGraph = z.object({
  services: z.array(
    z.object({
      service: z.string(),
      host: z.string(),
      /** A person's own, which the organism may act on; the organism's own parts are not. */
      isOwn: z.boolean(),
      replicas: z.object({ ready: z.int(), wanted: z.int() }),
      before: ServiceFigures,
      now: ServiceFigures,
    }),
  ),
  edges: z.array(z.object({ from: z.string(), to: z.string(), before: EdgeFigures, now: EdgeFigures })),
  /** The two windows: what counts as before ends where the first series moved. */
  beforeMs: z.tuple([z.number(), z.number()]),
  nowMs: z.tuple([z.number(), z.number()]),
  /** Since when calls have been watched, half an hour ago at most: who called before is not known. null when they were not yet. */
  watchedFromMs: z.number().nullable().default(null),
});
export type CallGraph = z.output<typeof CallGraph>;

/** Equally spaced values of one series around the incident, for lead and lag; null where there was none. */
export const SeriesWindow = z.object({
  series: z.string(),
  startMs: z.number(),
  stepMs: z.number(),
  values: z.array(z.number().min(-1e100).max(1e100).nullable()).max(2_000),
});
export type SeriesWindow = z.output<typeof SeriesWindow>;

/**
 * What kind of cause: latency and errors are the service's own; memory grows without bound; crash: its replicas are not
 * there; load: demand changed from outside; change: something that was done to it; outside: beyond the services that are
 * known; unknown: the evidence points nowhere.
 */
export const CauseKind = z.enum(["latency", "errors", "memory", "crash", "load", "change", "outside", "unknown"]);
export type CauseKind = z.output<typeof CauseKind>;

/** A past incident as it is compared with others. */
export const Case = z.object({
  id: z.string(),
  /** What moved, such as `cart/latency:up`. */
  signature: z.array(z.string()),
  cause: z.object({ service: z.string().nullable(), kind: CauseKind }).nullable(),
  action: z.object({ skill: z.string(), target: z.string() }).nullable(),
  /** Whether what was done helped; null when nothing was done or nobody knows. */
  helped: z.boolean().nullable(),
  /** What else was done about the same cause and did not help. */
  useless: z
    .array(z.object({ skill: z.string(), target: z.string() }))
    .max(100)
    .optional(),
  /** How far it is believed, 0 to 1: a case that misled loses. */
  weight: z.number().min(0).max(1),
});
export type Case = z.output<typeof Case>;

export const RecalledCase = Case.extend({ likeness: z.number().min(0).max(1) });
export type RecalledCase = z.output<typeof RecalledCase>;

export const ChangeEvidence = z.object({
  id: z.string(),
  kind: z.string(),
  target: z.string(),
  summary: z.string(),
  atMs: z.number(),
  /** An action of the organism: an answer to trouble, which has its own check. */
  byOrganism: z.boolean().default(false),
});
export type ChangeEvidence = z.output<typeof ChangeEvidence>;

export const Evidence = z.object({
  atMs: z.number(),
  movements: z.array(Movement).max(1_000),
  graph: CallGraph.nullable(),
  changes: z.array(ChangeEvidence).max(200),
  windows: z.array(SeriesWindow).max(100),
  cases: z.array(RecalledCase).max(50),
});
export type Evidence = z.output<typeof Evidence>;

/** What a conclusion, or a part of one, rests on. */
export const Ground = z.object({
  text: z.string(),
  /** Series, changes, cases, agents, skills and services it rests on. */
  refs: z.array(z.string()),
});
export type Ground = z.output<typeof Ground>;

/** One reason for or against; `weight` is in units of log odds. */
export const Reason = Ground.extend({
  kind: z.enum([
    "own-share",
    "explains",
    "first",
    "leads",
    "history",
    "change",
    "replicas",
    "recalled",
    "demand",
    "against",
  ]),
  weight: z.number(),
});
export type Reason = z.output<typeof Reason>;

export const Hypothesis = z.object({
  /** The service to blame; null when it is outside or unknown. */
  service: z.string().nullable(),
  kind: CauseKind,
  /** 0 to 1, recalibrated by how often such a confidence was right. */
  confidence: z.number(),
  /** Before recalibration. */
  rawConfidence: z.number(),
  reasons: z.array(Reason),
  /** The change behind it, for kind change and where one came just before. */
  changeId: z.string().nullable(),
});
export type Hypothesis = z.output<typeof Hypothesis>;

export const Diagnosis = z.object({
  /** In one sentence. */
  thought: z.string(),
  cause: Hypothesis,
  /** The others that were weighed, most likely first. */
  alternatives: z.array(Hypothesis),
  /** Names of what moved, for comparing incidents. */
  signature: z.array(z.string()),
  /** What should be done about such a cause, in words a person can follow. */
  proposedSolution: z.string(),
  /** What would make it more certain. */
  missing: z.array(z.string()),
});
export type Diagnosis = z.output<typeof Diagnosis>;

export const Option = z.object({
  skill: z.string(),
  target: z.string(),
  risk: z.enum(["none", "low", "high"]),
  /** How often it helped and did not, by the cases and the agents. */
  helped: Count.default(0),
  failed: Count.default(0),
  /** Those cases, by id. */
  cases: z.array(z.string()).max(1_000).default([]),
  /** ΔE that is expected if it helps; negative is good. */
  predictedDeltaE: z.number().min(-1e6).max(1e6).nullable().default(null),
});
export type Option = z.output<typeof Option>;

export const PlanStep = z.object({
  id: z.string(),
  /** A skill, or `wait`, `check`, `undo`, `tell`. */
  action: z.string(),
  target: z.string(),
  text: z.string(),
  dependsOn: z.array(z.string()),
  /** Why it is in the plan, and there. */
  grounds: z.array(Ground),
});
export type PlanStep = z.output<typeof PlanStep>;

const Skills = z
  .array(
    z.object({
      name: z.string(),
      risk: z.enum(["none", "low", "high"]),
      /** Kinds of causes it is meant for. */
      remedies: z.array(CauseKind).default([]),
      canUndo: z.boolean().default(false),
    }),
  )
  .max(100);

export const AgentRecord = z.object({
  agent: z.string(),
  skill: z.string(),
  succeeded: Count,
  failed: Count,
});

export const CalibrationBin = z.object({
  /** Confidences from (inclusive) to (exclusive, the last one inclusive). */
  from: z.number(),
  to: z.number(),
  predictions: z.int(),
  /** Mean of what was said, share of what was right. */
  meanConfidence: z.number().nullable(),
  rightShare: z.number().nullable(),
});

export const cognitive = defineContract("cognitive", {
  summary:
    "Reasons over evidence: causes, decisions, plans. Symbolic, deterministic, and every conclusion names its grounds.",
  state: "none",
  procedures: {
    reasonAboutFailure: procedure({
      summary: "The most likely cause of an incident with its reasons, alternatives and confidence.",
      method: "POST",
      path: "/reason-about-failure",
      idempotent: true,
      input: z.object({ evidence: Evidence }),
      output: Diagnosis,
    }),
    makeDecision: procedure({
      summary: "Which of the options to take, or to hold: by expected ΔE, experience, risk and how sure the cause is.",
      method: "POST",
      path: "/make-decision",
      scope: "read",
      idempotent: true,
      input: z.object({
        cause: z.object({ service: z.string().nullable(), kind: CauseKind, confidence: z.number().min(0).max(1) }),
        options: z.array(Option).max(100),
      }),
      output: z.object({
        action: z.enum(["act", "hold"]),
        /** Index into the options; null to hold. */
        chosen: z.int().nullable(),
        reasoning: z.string(),
        confidence: z.number(),
        /** All of them, best first. */
        ranked: z.array(
          z.object({
            index: z.int(),
            expectedDeltaE: z.number(),
            /** With what its risk counts against it: the order of the options, and below 0 what is worth doing. */
            netDeltaE: z.number(),
            chance: z.number(),
            text: z.string(),
            /** Cases that say so. */
            refs: z.array(z.string()).default([]),
          }),
        ),
      }),
    }),
    planTask: procedure({
      summary: "The steps to an end: what is done, checked, undone if it does not help, and who is told.",
      method: "POST",
      path: "/plan-task",
      scope: "read",
      idempotent: true,
      input: z.object({
        taskDescription: z.string().max(10_000),
        cause: z
          .object({
            service: z.string().nullable(),
            kind: CauseKind,
            /** Left out, the cause counts as certain. */
            confidence: z.number().min(0).max(1).optional(),
          })
          .optional(),
        skills: Skills.default([]),
        /** Like cases: those with the same cause say what helped, and what did not. */
        cases: z.array(RecalledCase).max(1_000).default([]),
        /** What agents made of these skills. */
        performance: z.array(AgentRecord).max(10_000).default([]),
        /** Who calls whom, so that nothing that depends on the target is touched before it. */
        edges: z
          .array(z.object({ from: z.string(), to: z.string() }))
          .max(1_000)
          .default([]),
      }),
      output: z.object({
        steps: z.array(PlanStep),
        /** 1 to 10. */
        estimatedComplexity: z.int(),
        riskAssessment: z.string(),
        /**
         * That what is planned helps: at least as likely as the likeliest of its remedies. How likely one is: how sure the
         * cause is, times how often it helped in like cases, times how often agents succeed in doing it. 0 without a remedy.
         */
        confidence: z.number(),
        /** Skills that come later or are left out, best first, and why; `chance` is null of those left out. */
        alternatives: z.array(Ground.extend({ skill: z.string(), chance: z.number().nullable() })),
        /** What would make it more certain. */
        missing: z.array(z.string()),
      }),
    }),
    solveProblem: procedure({
      summary: "Which skills have solved problems like this one, by the cases given, within the constraints.",
      method: "POST",
      path: "/solve-problem",
      scope: "read",
      idempotent: true,
      input: z.object({
        problemStatement: z.string().max(10_000),
        signature: z.array(z.string()).max(1_000).default([]),
        constraints: z
          .object({
            maxRisk: z.enum(["none", "low", "high"]).default("high"),
            forbiddenSkills: z.array(z.string()).default([]),
            forbiddenTargets: z.array(z.string()).default([]),
          })
          .prefault({}),
        skills: Skills.default([]),
        cases: z.array(RecalledCase).max(1_000).default([]),
      }),
      output: z.object({
        solutionApproach: z.string(),
        /** That the first solution helps; 0 without one. */
        confidence: z.number(),
        /** Best first. */
        solutions: z.array(
          z.object({
            skill: z.string(),
            target: z.string(),
            chance: z.number(),
            /** 90 % interval. */
            interval: z.tuple([z.number(), z.number()]),
            cases: z.array(z.string()),
          }),
        ),
        /** Series that must be routine again for the problem to be solved. */
        successMetrics: z.array(z.string()),
      }),
    }),
    assessCapabilities: procedure({
      summary: "What agents can do by what they did, against what is wanted: gaps, and how sure that is.",
      method: "POST",
      path: "/assess-capabilities",
      scope: "read",
      idempotent: true,
      input: z.object({
        performance: z.array(AgentRecord).max(10_000),
        /** Wanted success rate by skill, 0 to 1. */
        targets: z.record(z.string(), z.number().min(0).max(1)).default({}),
      }),
      output: z.object({
        skills: z.array(
          z.object({
            skill: z.string(),
            attempts: z.int(),
            rate: z.number().nullable(),
            /** 95 % Wilson interval. */
            interval: z.tuple([z.number(), z.number()]),
            target: z.number().nullable(),
            verdict: z.enum(["met", "not met", "too few"]),
            /** That the verdict is right, by what was seen; 0 where that is too little. */
            confidence: z.number(),
            bestAgent: z.string().nullable(),
            /** Whose attempts it rests on, best first: by the lower end of a 95 % Wilson interval. */
            agents: z.array(
              z.object({ agent: z.string(), attempts: z.int(), interval: z.tuple([z.number(), z.number()]) }),
            ),
          }),
        ),
        recommendations: z.array(z.string()),
      }),
    }),
    synthesizeMemory: procedure({
      summary:
        "What cases have in common: which action helped against which cause, how often, and where they disagree.",
      method: "POST",
      path: "/synthesize-memory",
      scope: "read",
      idempotent: true,
      input: z.object({ cases: z.array(Case).max(10_000), goal: z.string().max(1_000).default("") }),
      output: z.object({
        insight: z.string(),
        confidence: z.number(),
        patterns: z.array(
          z.object({
            kind: CauseKind,
            service: z.string().nullable(),
            skill: z.string(),
            helped: z.int(),
            failed: z.int(),
            chance: z.number(),
            interval: z.tuple([z.number(), z.number()]),
            cases: z.array(z.string()),
          }),
        ),
        conflicts: z.array(z.string()),
      }),
    }),
    recordOutcome: procedure({
      summary:
        "Tells whether a cause that was acted on was right: confidences are recalibrated by it. What was said last of it stands.",
      method: "PUT",
      path: "/outcomes/{actionId}",
      input: z.object({
        /** The first that was an answer to the cause. */
        actionId: z.string().min(1).max(200),
        /** With which that was decided, before recalibration. */
        rawConfidence: z.number().min(0).max(1),
        wasRight: z.boolean(),
      }),
      /** Whether that was not known. */
      output: z.object({ recorded: z.boolean() }),
    }),
    calibration: procedure({
      summary: "How confidences compared with outcomes, and how they are corrected.",
      method: "GET",
      path: "/calibration",
      input: z.object({}),
      output: z.object({
        outcomes: z.int(),
        /** Mean squared difference of confidence and outcome, before and after correction; null before the first. */
        brierRaw: z.number().nullable(),
        brierCorrected: z.number().nullable(),
        bins: z.array(CalibrationBin),
      }),
    }),
  },
});
