/** What to change on Serve to come nearer to the desired state: a pure function of it and of what there is. */
import { type DesiredGeneration, type DesiredHost, generationsOf } from "../desired-state.ts";

/** What the planner must know of an application of ours. */
export interface Deployed {
  readonly name: string;
  readonly host: string;
  readonly generation: number;
  /** Replicas Serve was told to run. */
  readonly targetReplicas: number;
  /** Replicas that are in the topology. */
  readonly readyReplicas: number;
}

export interface Plan<D extends Deployed> {
  /** What needs an application. */
  readonly start: readonly DesiredGeneration[];
  readonly scale: readonly { readonly application: D; readonly replicas: number }[];
  readonly stop: readonly D[];
  readonly keep: readonly D[];
}

/**
 * - Every wanted host gets an application of its present generation, beside what still serves: new before old. During a
 *   rollout it has one of the next generation as well.
 * - An application of an older generation stays until its successor is ready in full, and goes at once when it serves nobody.
 * - A host that wants no replica keeps the application it has, empty, and gets none when it has none.
 * Leases must be complete: an old application whose leases are merely unknown would be stopped.
 */
export function plan<D extends Deployed>(wanted: readonly DesiredHost[], deployed: readonly D[]): Plan<D> {
  const start: DesiredGeneration[] = [];
  const scale: { application: D; replicas: number }[] = [];
  const stop: D[] = [];
  const keep: D[] = [];
  for (const application of deployed) {
    if (!wanted.some(({ spec }) => spec.name === application.host)) stop.push(application);
  }
  for (const host of wanted) {
    const { name, replicas } = host.spec;
    const own = deployed.filter((application) => application.host === name);
    const generations = generationsOf(host);
    const applicationOf = ({ generation }: DesiredGeneration) => own.find((one) => one.generation === generation);
    for (const wants of generations) {
      const application = applicationOf(wants);
      if (application === undefined) {
        if (replicas > 0) start.push(wants);
        continue;
      }
      keep.push(application);
      if (application.targetReplicas !== replicas) scale.push({ application, replicas });
    }
    const isReady = (applicationOf(host)?.readyReplicas ?? 0) >= replicas;
    for (const old of own) {
      if (keep.includes(old)) continue;
      if (isReady || old.readyReplicas === 0) stop.push(old);
      else keep.push(old);
    }
  }
  return { start, scale, stop, keep };
}
