import type { HostStatus } from "#runtime/engine/engine.ts";
import { formatDuration } from "#core/duration.ts";
import { startOnRay } from "../../ray/organism-on-ray.ts";
import { resolveRaySettings } from "../../ray/ray-settings.ts";
import type { PhaseReport } from "../../startup.ts";
import type { CommandContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";

export interface UpOnRayOptions {
  readonly acceptOpenCluster: boolean;
  onPhase(report: PhaseReport): void;
}

/** Deploys the organism on a cluster, waits until it is ready, and leaves it there. */
export async function upOnRay(context: CommandContext, address: string, options: UpOnRayOptions): Promise<ExitCode> {
  const { output, home, signal } = context;
  const started = await startOnRay({
    home,
    settings: resolveRaySettings(address),
    signal,
    onNotice: (notice) => output.warn(notice),
    ...options,
  });
  const { gatewayUrl, urlWithToken, startMs, rayVersion, nodes } = started;
  const replicas = started.hosts.flatMap(toReplicas);
  output.data({ namespace: home.namespace, url: gatewayUrl, urlWithToken, startMs, rayVersion, nodes, replicas });
  output.line();
  output.line(`Ready after ${formatDuration(startMs)}: ${output.style("bold", gatewayUrl)}`);
  output.line(`In a browser: ${urlWithToken}`);
  output.line();
  output.table(
    [{ title: "HOST" }, { title: "NODE" }, { title: "PID", align: "right" }, { title: "ADDRESS" }],
    replicas.map(({ host, node, pid, address }) => [host, node, String(pid ?? ""), address]),
  );
  output.hint(
    "",
    "It runs on the cluster now; this command has ended. Try, with RAY_ADDRESS set as now:",
    "  seedcore status                 what runs and what is watched",
    "  seedcore watch FILE.csv         score a file's series",
    "  seedcore down                   take it off the cluster",
  );
  return EXIT.ok;
}

/** What runs where. */
function toReplicas({ spec, replicas }: HostStatus) {
  return replicas.map(({ id, node, pid, state }) => ({
    host: spec.name,
    replica: id,
    node: node ?? "",
    pid: pid ?? null,
    address: state.kind === "ready" ? state.address : state.kind,
  }));
}
