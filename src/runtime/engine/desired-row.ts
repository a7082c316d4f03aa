/** What changes make of the row of a host: pure, so that every store of desired state means the same by them. */
import { canonicalJson } from "#core/canonical-json.ts";
import { ServiceError } from "#core/service-error.ts";
import type { DesiredGeneration, DesiredHost, RolloutPlan } from "./desired-state.ts";
import type { HostSpec } from "./host-spec.ts";
import { beginRollout, isRunning, returned, type Rollout, whyNotSteps } from "./rollout.ts";

export interface DesiredRow {
  /** Undefined for a host that was never there or was removed. */
  readonly spec: HostSpec | undefined;
  readonly generation: number;
  readonly revision: number;
  readonly rollout: Rollout | undefined;
  /** Before the last change; a removed host has none. */
  readonly previous: HostSpec | undefined;
}

/** What a change makes of the present row; the same object means that there is nothing to change. */
export type Change = (present: DesiredRow) => DesiredRow;

export const ABSENT: DesiredRow = {
  spec: undefined,
  generation: 0,
  revision: 0,
  rollout: undefined,
  previous: undefined,
};

export function put(spec: HostSpec, nowMs: number): Change {
  return (present) => {
    if (present.spec !== undefined && canonicalJson(present.spec) === canonicalJson(spec)) return present;
    if (isSameButReplicas(present.spec, spec)) return { ...present, spec };
    const rollout = present.rollout && returned(present.rollout, "another spec was deployed", nowMs);
    // What did not start is restored by this, and must not be where a way back leads.
    const previous = isSameButReplicas(present.previous, spec) ? undefined : present.spec;
    return { ...present, spec, generation: nextGeneration(present), rollout, previous };
  };
}

export function remove(nowMs: number): Change {
  return (present) => {
    if (present.spec === undefined) return present;
    const rollout = present.rollout && returned(present.rollout, "the host was removed", nowMs);
    return { ...present, spec: undefined, rollout, previous: undefined };
  };
}

export function giveUp(mine: DesiredGeneration, former: HostSpec | undefined, nowMs: number): Change {
  return (present) => {
    const { spec, generation } = present;
    if (spec === undefined || generation !== mine.generation) return present;
    if (former === undefined) return remove(nowMs)(present);
    // A scale leaves the generation as it is, and is somebody's as well.
    const replicas = spec.replicas === mine.spec.replicas ? former.replicas : spec.replicas;
    return put({ ...former, replicas }, nowMs)(present);
  };
}

export function scale(host: string, replicas: number): Change {
  return (present) => {
    const spec = specOf(host, present);
    return spec.replicas === replicas ? present : { ...present, spec: { ...spec, replicas } };
  };
}

export function restart(host: string): Change {
  return (present) => {
    specOf(host, present);
    refuseDuring(host, present, "restarted");
    return { ...present, generation: nextGeneration(present) };
  };
}

export function rollBack(host: string): Change {
  return (present) => {
    const spec = specOf(host, present);
    refuseDuring(host, present, "rolled back");
    const { previous } = present;
    if (previous === undefined) {
      throw new ServiceError("CONFLICT", `There is no version of "${host}" to go back to.`, {
        started: "no",
      });
    }
    const back = { ...previous, replicas: spec.replicas };
    return { ...present, spec: back, generation: nextGeneration(present), previous: spec };
  };
}

export function startRollout(host: string, toNext: (spec: HostSpec) => HostSpec, plan: RolloutPlan): Change {
  return (present) => {
    const spec = specOf(host, present);
    const next = toNext(spec);
    refuseDuring(host, present, "rolled out anew");
    const why = whyNotSteps(plan.steps);
    if (why !== undefined) throw new ServiceError("INVALID_INPUT", why);
    if (spec.port !== 0 || next.port !== 0) {
      throw new ServiceError(
        "INVALID_INPUT",
        `The host "${host}" listens on the fixed port ${spec.port || next.port}, where the operating system shares out the calls, not weights. Change its spec instead: it is replaced new before old.`,
      );
    }
    if (next.version === spec.version) {
      throw new ServiceError(
        "INVALID_INPUT",
        `"${host}" is at version ${spec.version} already: give the new one another name.`,
      );
    }
    return { ...present, rollout: beginRollout(spec.version, next, nextGeneration(present), plan) };
  };
}

export function changeRollout(how: (rollout: Rollout) => Rollout): Change {
  return (present) => {
    const { spec, rollout } = present;
    if (spec === undefined || rollout === undefined || !isRunning(rollout)) return present;
    const next = how(rollout);
    if (next === rollout) return present;
    if (next.state.kind !== "finished") return { ...present, rollout: next };
    const { generation } = next;
    return { ...present, spec: { ...next.next, replicas: spec.replicas }, generation, rollout: next, previous: spec };
  };
}

/** @throws TypeError for a row without a spec */
export function toDesired({ spec, generation, revision, rollout, previous }: DesiredRow): DesiredHost {
  if (spec === undefined) throw new TypeError("A removed host is not desired.");
  return {
    spec,
    generation,
    revision,
    ...(rollout === undefined ? {} : { rollout }),
    ...(previous === undefined ? {} : { previous }),
  };
}

export function isSameButReplicas(one: HostSpec | undefined, other: HostSpec): boolean {
  return one !== undefined && canonicalJson({ ...one, replicas: 0 }) === canonicalJson({ ...other, replicas: 0 });
}

/** Of a rollout that was given up as well: a generation is never used twice. */
function nextGeneration({ generation, rollout }: DesiredRow): number {
  return Math.max(generation, rollout?.generation ?? 0) + 1;
}

function specOf(host: string, { spec }: DesiredRow): HostSpec {
  if (spec !== undefined) return spec;
  throw new ServiceError("NOT_FOUND", `There is no host "${host}". \`seedcore status\` lists what there is.`);
}

function refuseDuring(host: string, { rollout }: DesiredRow, what: string): void {
  if (rollout === undefined || !isRunning(rollout)) return;
  throw new ServiceError(
    "CONFLICT",
    `"${host}" is being rolled out to ${rollout.next.version}, so it cannot be ${what}. Wait for the end, or: seedcore rollout ${host} --abort`,
    { started: "no" },
  );
}
