/** Kills what a plan says and measures how long its services stay away. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "#app/connect.ts";
import type { Outage } from "./call-log.ts";
import type { OrganismUnderTest } from "./organism-under-test.ts";
import type { Host, RoundPlan, Victim } from "./plan.ts";
import { affectedBy, type Service, SERVICES_OF, untilBack } from "./recovery.ts";

export interface Recovery {
  readonly victim: Victim;
  /** How long it had been ready; a host that dies again soon is started again with a delay. */
  readonly upMs: number;
  /** From the kill, or from the command that started a killed supervisor again, to the first acknowledged call. */
  readonly tookMs: number;
  /** Until no process of a killed supervisor was left; undefined for a host. */
  readonly goneMs: number | undefined;
}

export interface Kill {
  readonly outages: ReadonlyMap<Service, Outage>;
  readonly recoveries: readonly Recovery[];
}

/** No process may outlive its supervisor by more. */
const GONE_WITHIN_MS = 2_000;

export interface RunningHost {
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly readySinceMs: number;
}

/** The hosts, one replica each. */
export async function runningHosts(connection: Connection): Promise<ReadonlyMap<Host, RunningHost>> {
  const { hosts } = await connection.getServiceClient("telemetry").status({});
  return new Map(
    hosts.map(({ name, replicas }) => {
      const ready = replicas.find(({ state }) => state === "ready");
      if (typeof ready?.pid !== "number") throw new Error(`"${name}" is not ready: ${JSON.stringify(replicas)}`);
      return [name as Host, { pid: ready.pid, readySinceMs: ready.sinceMs }];
    }),
  );
}

/** Adds to `wrong` what did not die in time or did not come back. */
export async function killAndRecover(
  { victims, detached }: RoundPlan,
  hosts: ReadonlyMap<Host, RunningHost>,
  organism: OrganismUnderTest,
  connection: Connection,
  wrong: string[],
): Promise<Kill> {
  const isSupervisor = victims.includes("supervisor");
  const targets = isSupervisor
    ? [organism.supervisorPid()]
    : (victims as readonly Host[]).map((host) => hosts.get(host)?.pid);
  const killedAtMs = performance.now();
  const killedAtWallMs = Date.now();
  await Promise.all(targets.map((pid) => organism.kill(pid ?? -1)));
  let goneMs: number | undefined;
  let fromMs = killedAtMs;
  if (isSupervisor) {
    goneMs = await untilGone(organism, killedAtMs, wrong);
    fromMs = performance.now();
    await organism.start({ detached });
  }
  const outages = new Map<Service, Outage>();
  await Promise.all(
    affectedBy(victims).map(async (service) => {
      outages.set(service, { killedAtMs, recoveredAtMs: await untilBack(service, connection, organism.token()) });
    }),
  );
  const tookMs = (host: Host) =>
    Math.max(...SERVICES_OF[host].map((service) => outages.get(service)?.recoveredAtMs ?? 0)) - fromMs;
  const recoveries = victims.map((victim) => ({
    victim,
    upMs: victim === "supervisor" ? Number.POSITIVE_INFINITY : killedAtWallMs - (hosts.get(victim)?.readySinceMs ?? 0),
    tookMs: victim === "supervisor" ? Math.max(tookMs("gateway"), tookMs("core"), tookMs("ml")) : tookMs(victim),
    goneMs,
  }));
  return { outages, recoveries };
}

async function untilGone(organism: OrganismUnderTest, killedAtMs: number, wrong: string[]): Promise<number> {
  for (;;) {
    const left = organism.members();
    const goneMs = performance.now() - killedAtMs;
    if (left.length === 0) return goneMs;
    if (goneMs > GONE_WITHIN_MS) {
      wrong.push(`${Math.round(goneMs)} ms after its supervisor was killed, processes are alive: ${left.join(", ")}`);
      return goneMs;
    }
    await sleep(5);
  }
}
