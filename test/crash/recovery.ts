/** When a service answers again after its process was killed: an acknowledged change where it keeps something. */
import type { Connection } from "#app/connect.ts";
import { fromProblem, ServiceError } from "#core/service-error.ts";
import type { Host, Victim } from "./plan.ts";

/** The services of a host that are called here. */
export const SERVICES_OF: Readonly<Record<Host, readonly Service[]>> = {
  gateway: ["gateway"],
  core: ["coordinator", "telemetry"],
  ml: ["ml"],
};

export type Service = "gateway" | "coordinator" | "telemetry" | "ml";

export function affectedBy(victims: readonly Victim[]): Service[] {
  const hosts = victims.includes("supervisor") ? (Object.keys(SERVICES_OF) as Host[]) : (victims as readonly Host[]);
  return hosts.flatMap((host) => SERVICES_OF[host]);
}

const WITHIN_MS = 30_000;

/** Calls until one call succeeds. @returns when that was. @throws what failed last, after half a minute */
export async function untilBack(service: Service, connection: Connection, token: string): Promise<number> {
  const until = performance.now() + WITHIN_MS;
  for (;;) {
    try {
      await touch(service, connection, token);
      return performance.now();
    } catch (error) {
      if (performance.now() > until) throw new Error(`${service} did not come back`, { cause: error });
    }
  }
}

let touches = 0;

async function touch(service: Service, connection: Connection, token: string): Promise<void> {
  touches++;
  switch (service) {
    case "gateway":
      await throughGateway(connection.gatewayUrl, "/-/ping", token);
      return;
    case "coordinator":
      await connection
        .getServiceClient("coordinator")
        .reportChange({ kind: "note", target: "probe", summary: `${touches}` });
      return;
    case "telemetry":
      await connection.getServiceClient("telemetry").status({});
      return;
    case "ml": {
      const series = [{ name: "touches", points: [[touches, 0] as [number, number]] }];
      await connection.getServiceClient("ml").ingest({ source: PROBE_SOURCE, series });
    }
  }
}

export const PROBE_SOURCE = "probe";

/** @throws ServiceError */
export async function throughGateway(url: string, path: string, token: string): Promise<void> {
  let answer: Response;
  let text: string;
  try {
    const headers = { authorization: `Bearer ${token}` };
    answer = await fetch(`${url}${path}`, { headers, signal: AbortSignal.timeout(5_000) });
    text = await answer.text();
  } catch (cause) {
    throw new ServiceError("CONNECTION_LOST", `The gateway did not answer: ${String(cause)}`, { cause });
  }
  if (!answer.ok) throw fromProblem(JSON.parse(text), answer.status);
}
