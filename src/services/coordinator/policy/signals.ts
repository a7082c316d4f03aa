/** The signals that rules of the policy may ask for: one table, from which the check at load and docs/policy.md follow. */

/** Of the expression language: a number is a double, so that `2` and `2.0` compare alike. */
export type SignalType = "string" | "double" | "bool" | "list<string>";

export interface Signal {
  readonly type: SignalType;
  readonly meaning: string;
}

/** By group and name, as rules write them: `cause.confidence`. */
export const SIGNALS = {
  incident: {
    id: { type: "string", meaning: "The incident's id" },
    title: { type: "string", meaning: "What moved first, and how many more" },
    severity: { type: "string", meaning: "low, medium or high" },
    ageS: { type: "double", meaning: "Seconds from its first movement to its newest, in the time of the data" },
    series: { type: "list<string>", meaning: "Series involved, as <source>/<series>" },
    distance: { type: "double", meaning: "Of its worst crossing from routine, in spreads" },
    isAcknowledged: { type: "bool", meaning: "Whether somebody has said that they are at it" },
    moved: { type: "list<string>", meaning: "What moved and where to, such as cart/latency:up" },
  },
  cause: {
    isKnown: { type: "bool", meaning: "Whether there is a diagnosis that blames something" },
    service: { type: "string", meaning: "The service to blame; empty when it is none" },
    host: { type: "string", meaning: "The host that serves it; empty when it is none" },
    kind: { type: "string", meaning: "latency, errors, memory, crash, load, change, outside or unknown" },
    confidence: { type: "double", meaning: "How sure that is, 0 to 1, recalibrated by outcomes" },
    isOwn: { type: "bool", meaning: "Whether the service is of your own, not of the organism's" },
    ageS: { type: "double", meaning: "Seconds for which the same has been to blame" },
    changeKind: { type: "string", meaning: "Kind of the change behind it, such as deploy; empty without one" },
  },
  recalled: {
    count: { type: "double", meaning: "Like incidents that are remembered" },
    helped: { type: "double", meaning: "Of those with the same cause, in how many what was done helped" },
    failed: { type: "double", meaning: "Of those with the same cause, in how many it did not" },
    skill: { type: "string", meaning: "What helped in the likest of them; empty when nothing did" },
    likeness: { type: "double", meaning: "Of that one, 0 to 1" },
  },
  tried: {
    count: { type: "double", meaning: "Actions with a risk that were done about this incident, or failed" },
    useless: { type: "double", meaning: "Of those, how many did not help, failed, or ended nobody knows how" },
    skills: { type: "list<string>", meaning: "Their skills" },
  },
  asked: {
    waiting: { type: "double", meaning: "Proposals about this incident that wait for a person" },
    expired: { type: "double", meaning: "Proposals about it that nobody decided on in time" },
  },
  system: {
    openIncidents: { type: "double", meaning: "Incidents that are open" },
    energy: { type: "double", meaning: "The energy of the organism" },
    cpu: { type: "double", meaning: "Share of this machine's processors that is busy" },
    memory: { type: "double", meaning: "Share of this machine's memory that is used" },
    successRate: {
      type: "double",
      meaning: "Share of all executions by agents that succeeded; unknown before the first",
    },
    isMaintenance: { type: "bool", meaning: "Whether there is maintenance of the host to blame, or of everything" },
  },
  now: {
    hour: { type: "double", meaning: "Hour of the day, UTC" },
    weekday: { type: "double", meaning: "1 (Monday) to 7, UTC" },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Signal>>>>;

type Groups = typeof SIGNALS;
type ValueOf<T extends SignalType> = T extends "double"
  ? number
  : T extends "bool"
    ? boolean
    : T extends "string"
      ? string
      : readonly string[];

/** Values of all signals. One that is not known is undefined: a rule that asks for it is not followed, and that is told. */
export type Signals = {
  readonly [G in keyof Groups]: {
    readonly [N in keyof Groups[G]]: Groups[G][N] extends { type: infer T extends SignalType }
      ? ValueOf<T> | undefined
      : never;
  };
};
