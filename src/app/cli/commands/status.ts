import { config } from "zod";
import type { ClusterInfo, HostInfo, SourceStatus } from "#contracts/telemetry.ts";
import { formatDuration } from "#core/duration.ts";
import { type RunFile, readLiveRunFile } from "../../run-file.ts";
import type { CommandContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { formatAgo, formatBytes, formatCount, plural } from "../format.ts";
import type { Output } from "../output.ts";
import { describeStep, isOver } from "../rollout-text.ts";

// Each schema is used once here: compiling it costs three times what it saves.
config({ jitless: true });

/** `status`: one look at everything. */
export async function run(context: CommandContext): Promise<ExitCode> {
  const { output } = context;
  const starting = readLiveRunFile(context.home.runFile);
  if (starting !== undefined && starting.phase !== "ready") return printStarting(output, starting);
  const connection = await context.connect();
  const [platform, work] = await Promise.all([
    connection.getServiceClient("telemetry").status({}),
    connection.getServiceClient("coordinator").status({}),
  ]);
  const { gatewayUrl } = connection;
  output.data({
    ...platform,
    gatewayUrl,
    tasks: work.tasks,
    incidents: work.incidents,
    actions: work.actions,
    decisionP50Ms: work.decisionP50Ms,
  });

  const nowMs = context.now();
  const up = formatDuration(nowMs - platform.startedAtMs);
  output.line(
    `${output.style("bold", `SeedCore ${platform.version}`)} · namespace ${platform.namespace} · ${gatewayUrl} · up ${up}`,
  );
  output.line();
  printHosts(output, platform.hosts, nowMs);
  printRollouts(output, platform.hosts);
  output.line();
  if (platform.cluster !== null) printCluster(output, platform.cluster, platform.hosts);
  printSources(output, platform.sources, nowMs);
  output.line();
  output.line(
    `incidents  ${plural(work.incidents.open, "open", "open")}, ${formatCount(work.incidents.resolved)} resolved`,
  );
  const tasks = Object.entries(work.tasks).filter(([, count]) => count > 0);
  output.line(
    `tasks      ${tasks.length === 0 ? "none" : tasks.map(([state, count]) => `${formatCount(count)} ${state}`).join(", ")}`,
  );
  if (work.decisionP50Ms !== null)
    output.line(`decisions  ${formatDuration(work.decisionP50Ms)} from noticing to deciding (median)`);

  const waiting = work.actions.proposed ?? 0;
  if (waiting > 0) output.line(`approvals  ${output.style("yellow", `${formatCount(waiting)} waiting for you`)}`);

  if (waiting > 0) output.hint("", "Next: seedcore approve");
  else if (work.incidents.open > 0) output.hint("", "Next: seedcore incidents --open");
  else if (platform.sources.length === 0) output.hint("", "Next: seedcore watch host services");
  else output.hint("", "Next: seedcore watch FILE.csv");
  return EXIT.ok;
}

/** Before it is ready there is nobody to ask; its run file says how far it has come. */
function printStarting(output: Output, { namespace, phase, pid, startedAtMs }: RunFile): ExitCode {
  output.data({ namespace, phase, pid, startedAtMs });
  output.line(`The organism "${namespace}" is starting (pid ${pid}): ${phase} is done.`);
  output.hint("Look again in a moment.");
  return EXIT.running;
}

const shownOf = (replicas: HostInfo["replicas"]) => replicas.filter(({ state }) => state !== "stopped");

function printHosts(output: Output, hosts: readonly HostInfo[], nowMs: number): void {
  const onNodes = hosts.some(({ replicas }) => replicas.some(({ node }) => node !== null));
  // Side by side only during a rollout or a change.
  const differ = hosts.some(({ replicas }) => new Set(shownOf(replicas).map(({ version }) => version)).size > 1);
  const rows = hosts.flatMap(({ name, spec, replicas }) => {
    const services = Array.isArray(spec.services) ? spec.services.map(String).join(", ") : "";
    const shown = shownOf(replicas);
    if (shown.length === 0)
      return [
        [
          name,
          output.style("yellow", "scaled to 0"),
          ...(differ ? [""] : []),
          "",
          "",
          "",
          "",
          ...(onNodes ? [""] : []),
          services,
        ],
      ];
    return shown.map((replica, i) => [
      i === 0 ? name : "",
      stateOf(output, replica),
      ...(differ ? [replica.version] : []),
      formatAgo(replica.sinceMs, nowMs).replace(" ago", ""),
      replica.pid === null ? "" : String(replica.pid),
      formatBytes(replica.residentBytes),
      replica.restarts === 0 ? "" : String(replica.restarts),
      ...(onNodes ? [replica.node ?? ""] : []),
      i === 0 ? services : "",
    ]);
  });
  output.table(
    [
      { title: "HOST" },
      { title: "STATE", maxWidth: 50 },
      ...(differ ? [{ title: "VERSION" }] : []),
      { title: "FOR", align: "right" },
      { title: "PID", align: "right" },
      { title: "MEMORY", align: "right" },
      { title: "RESTARTS", align: "right" },
      ...(onNodes ? [{ title: "NODE" }] : []),
      { title: "SERVICES" },
    ],
    rows,
  );
}

function printRollouts(output: Output, hosts: readonly HostInfo[]): void {
  const going = hosts.flatMap(({ rollout }) => (rollout === null || isOver(rollout) ? [] : [rollout]));
  if (going.length > 0) output.line();
  for (const rollout of going) output.line(describeStep(rollout));
}

function printCluster(output: Output, cluster: ClusterInfo, hosts: readonly HostInfo[]): void {
  const { nodes, actors, applications, warnings } = cluster;
  const replicas = hosts.flatMap((host) => host.replicas).filter(({ state }) => state === "ready");
  output.table(
    [
      { title: "NODE" },
      { title: "" },
      { title: "CPUS", align: "right" },
      { title: "MEMORY", align: "right" },
      { title: "REPLICAS", align: "right" },
    ],
    nodes.map(({ address, isHead, cpus, memoryBytes }) => [
      address,
      isHead ? "head" : "",
      formatCount(cpus),
      formatBytes(memoryBytes),
      formatCount(replicas.filter(({ node }) => node === address).length),
    ]),
  );
  output.line();
  output.table(
    [{ title: "APPLICATION" }, { title: "STATE" }, { title: "ROUTE" }],
    applications.map(({ name, state, route }) => [name, ofRay(output, state, "RUNNING"), route ?? ""]),
  );
  output.line();
  output.table(
    [{ title: "ACTOR" }, { title: "STATE" }, { title: "PID", align: "right" }, { title: "RESTARTS", align: "right" }],
    actors.map(({ name, state, pid, restarts }) => [
      name,
      ofRay(output, state, "ALIVE"),
      pid === null ? "" : String(pid),
      restarts === 0 ? "" : String(restarts),
    ]),
  );
  for (const warning of warnings) output.line(output.style("yellow", `Rows may be missing: ${warning}`));
  output.line();
}

const ofRay = (output: Output, state: string, good: string): string =>
  output.style(state === good ? "green" : "yellow", state);

function stateOf(output: Output, { state, reason }: HostInfo["replicas"][number]): string {
  if (state === "ready") return output.style("green", state);
  return output.style("yellow", reason === null ? state : `${state}: ${reason}`);
}

export function printSources(output: Output, sources: readonly SourceStatus[], nowMs: number): void {
  if (sources.length === 0) return output.line("No long-lived source is watched.");
  output.table(
    [
      { title: "SOURCE" },
      { title: "KIND" },
      { title: "STATE" },
      { title: "POINTS", align: "right" },
      { title: "NEWEST", align: "right" },
      { title: "" },
    ],
    sources.map((source) => [
      source.name,
      source.spec.kind,
      output.style(source.state === "running" ? "green" : source.state === "failing" ? "red" : "yellow", source.state),
      formatCount(source.points),
      formatAgo(source.lastPointAtMs, nowMs),
      noteOf(source),
    ]),
  );
}

function noteOf({ error, backfillRatio }: SourceStatus): string {
  if (error !== null) return error;
  return backfillRatio !== null && backfillRatio < 1 ? `backfill ${Math.floor(backfillRatio * 100)} %` : "";
}
