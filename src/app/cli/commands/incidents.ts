import type { Incident } from "#contracts/incident.ts";
import type { Connection } from "../../connect.ts";
import { CliError, usageError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { formatAgo, formatCount, formatTime } from "../format.ts";
import { showIncident } from "../incident-view.ts";
import { toInteger } from "../options.ts";
import type { Output } from "../output.ts";
import { toWholeId } from "../whole-id.ts";

export type IncidentsOptions = { readonly follow?: boolean; readonly open?: boolean; readonly limit: string };

export interface IncidentsInvocation extends Invocation {
  readonly options: IncidentsOptions;
}

/** `incidents`, `incidents show ID`, `incidents --follow`. */
export async function run(context: CommandContext, { args, options }: IncidentsInvocation): Promise<ExitCode> {
  const [action, id, label] = args;
  if (action === undefined) return options.follow === true ? follow(context, options) : list(context, options);
  if (action !== "show" && action !== "label" && action !== "ack") {
    throw usageError(
      `"${action}" is nothing that can be done with incidents.`,
      "Use: seedcore incidents [show ID] [ack ID] [label ID LABEL] [--follow]",
    );
  }
  if (id === undefined)
    throw usageError("Which incident?", "Use: seedcore incidents show ID, or last for what was noticed last.");
  const connection = await context.connect();
  if (action === "ack") return acknowledge(context, connection, await resolveId(connection, id));
  if (action === "label") return setLabel(context, connection, await resolveId(connection, id), label);
  return showIncident(context, connection, await resolveId(connection, id));
}

async function setLabel(
  { output }: CommandContext,
  connection: Connection,
  id: string,
  label: string | undefined,
): Promise<ExitCode> {
  if (label !== "incident" && label !== "not-an-incident") {
    throw usageError(
      label === undefined ? "What was it?" : `"${label}" is no label.`,
      "Use: seedcore incidents label ID incident, or not-an-incident",
    );
  }
  const outcome = await connection.getServiceClient("coordinator").labelIncident.try({ id, label });
  if (!outcome.ok) {
    throw new CliError(outcome.error.message, { code: outcome.error.code, todo: ["List them: seedcore incidents"] });
  }
  output.data(outcome.value);
  output.line(
    label === "incident"
      ? `${id} is an incident. What it had taught about its series is forgotten.`
      : `${id} is no incident: its series may move this far from now on.`,
  );
  return EXIT.ok;
}

async function acknowledge({ output }: CommandContext, connection: Connection, id: string): Promise<ExitCode> {
  const outcome = await connection.getServiceClient("coordinator").acknowledgeIncident.try({ id });
  if (!outcome.ok) {
    throw new CliError(outcome.error.message, { code: outcome.error.code, todo: ["List them: seedcore incidents"] });
  }
  output.data(outcome.value);
  output.line(`${outcome.value.acknowledgedBy} is at ${id}.`);
  return EXIT.ok;
}

async function list(context: CommandContext, options: IncidentsOptions): Promise<ExitCode> {
  const { output } = context;
  const answer = await listed(await context.connect(), options);
  output.data(answer);
  if (answer.incidents.length === 0) {
    output.line(
      options.open === true ? "No incident is open." : "No incident yet: everything that was watched is routine.",
    );
    output.hint("Next: seedcore watch FILE.csv, or seedcore status to see what is watched.");
    return EXIT.ok;
  }
  const nowMs = context.now();
  output.table(
    COLUMNS,
    answer.incidents.map((incident) => toRow(output, incident, formatAgo(incident.updatedAtMs, nowMs))),
  );
  if (answer.total > answer.incidents.length) {
    output.hint(
      `${formatCount(answer.total - answer.incidents.length)} more: --limit ${Math.min(1_000, answer.total)}`,
    );
  }
  output.hint("", `Next: seedcore incidents show ${answer.incidents[0]?.id}`);
  return EXIT.ok;
}

function listed(connection: Connection, { open, limit }: IncidentsOptions) {
  const count = toInteger("--limit", limit, 1, 1_000);
  return connection
    .getServiceClient("coordinator")
    .listIncidents({ limit: count, state: open === true ? "open" : undefined });
}

async function follow(context: CommandContext, options: IncidentsOptions): Promise<ExitCode> {
  const { output, signal } = context;
  const connection = await context.connect();
  const live = connection.getServiceClient("coordinator").watchIncidents({}, { signal });
  output.hint("Waiting for incidents; Ctrl-C ends it.");
  const last = new Map<string, string>();
  try {
    for await (const incident of live) {
      if (options.open === true && incident.state !== "open") continue;
      output.data(incident);
      // A change of its story alone shows in none of the columns.
      const line = toLine(output, incident);
      const shown = line.slice(TIME_WIDTH);
      if (last.get(incident.id) !== shown) output.line(line);
      last.set(incident.id, shown);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return EXIT.ok;
}

const TIME_WIDTH = 19;

/** The same columns, wide enough for what they mostly hold: there is no telling what comes. */
function toLine(output: Output, incident: Incident): string {
  const [id = "", state = "", severity = "", opened = "", changed = "", cause = "", decision = "", title = ""] = toRow(
    output,
    incident,
    formatTime(incident.updatedAtMs).slice(0, TIME_WIDTH),
  );
  return `${changed}  ${id}  ${state.padEnd(8)}  ${severity.padEnd(6)}  ${cause.padEnd(20)}  ${decision.padEnd(12)}  ${title} (since ${opened})`;
}

const COLUMNS = [
  { title: "INCIDENT", whenNarrow: "keep end" },
  { title: "STATE" },
  { title: "SEVERITY" },
  { title: "OPENED (UTC)" },
  { title: "CHANGED", align: "right", whenNarrow: "leave out" },
  { title: "CAUSE", whenNarrow: "leave out" },
  { title: "DECISION", whenNarrow: "leave out" },
  { title: "" },
] as const;

function toRow(output: Output, incident: Incident, changed: string): string[] {
  const { id, state, severity, openedAtMs, cause, decision, title } = incident;
  return [
    id,
    state === "open" ? output.style("yellow", state) : state,
    severity === "high" ? output.style("red", severity) : severity,
    formatTime(openedAtMs).slice(0, 19),
    changed,
    cause === null ? "" : cause.service === null ? cause.kind : `${cause.service} ${cause.kind}`,
    decision?.skill ?? "undecided",
    title,
  ];
}

/** Takes a whole id, the end of one that fits only one incident, or `last`. */
async function resolveId(connection: Connection, given: string): Promise<string> {
  const coordinator = connection.getServiceClient("coordinator");
  const { incidents } = await coordinator.listIncidents({ limit: 1_000 });
  if (given === "last") {
    // Ids rise with the time they were given. A file's incident of last year is what a person means who has just watched it.
    const [last] = incidents
      .map(({ id }) => id)
      .sort()
      .reverse();
    if (last !== undefined) return last;
    throw new CliError("There is no incident yet.", {
      code: "UNKNOWN_INCIDENT",
      todo: ["Look later, or watch more: seedcore watch FILE.csv"],
    });
  }
  const ids = incidents.map(({ id }) => id);
  return toWholeId(given, ids, { kind: "incidents", list: "seedcore incidents" });
}
