/** One incident with its whole story and its series, for a terminal. */
import type { z } from "zod";
import type { Action } from "#contracts/action.ts";
import type { Diagnosis } from "#contracts/cognitive.ts";
import { howToSettle, skillName } from "#contracts/action-text.ts";
import { causeName } from "#contracts/cause-text.ts";
import type { IncidentDetail } from "#contracts/incident.ts";
import type { Crossing } from "#contracts/ml.ts";
import { formatDuration } from "#core/duration.ts";
import type { Connection } from "../connect.ts";
import { drawChart } from "./chart.ts";
import { CliError } from "./cli-error.ts";
import { asTyped } from "./command-name.ts";
import type { CommandContext } from "./context.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { isFinal } from "./final-task.ts";
import { formatShare, formatTime, formatValue } from "./format.ts";
import type { Output } from "./output.ts";

type Detail = z.output<typeof IncidentDetail>;

const HEAD_INDENT = 10;
const STORY_INDENT = 36;
const CHARTS = 4;
const CHART_HEIGHT = 9;
/** Points before and after what was noticed. */
const SURROUNDING_POINTS = 120;

export async function showIncident(context: CommandContext, connection: Connection, id: string): Promise<ExitCode> {
  const { output } = context;
  const found = await connection.getServiceClient("coordinator").getIncident.try({ id });
  if (!found.ok) {
    throw new CliError(`There is no incident "${id}".`, {
      code: "UNKNOWN_INCIDENT",
      todo: ["List them: seedcore incidents"],
    });
  }
  const incident = found.value;
  output.data(incident);
  if (output.json) return EXIT.ok;
  printHead(output, incident);
  printStory(output, incident);
  printDiagnosis(output, incident);
  printActionsOf(output, incident);
  await printCharts(context, connection, incident);
  printTasks(output, incident);
  const task = incident.decision?.taskId ?? null;
  if (task !== null) output.hint("", `Next: seedcore task show ${task}`);
  return EXIT.ok;
}

function printHead(output: Output, incident: Detail): void {
  const { state, severity, openedAtMs, resolvedAtMs } = incident;
  output.line(output.style("bold", incident.title));
  const lasted = resolvedAtMs === null ? "" : `, resolved ${formatTime(resolvedAtMs)}`;
  const about = `${incident.id} · ${state} · severity ${severity} · began ${formatTime(openedAtMs)}${lasted}`;
  for (const line of wrap(about, output.width)) output.line(line);
  const decision = incident.decision;
  if (incident.cause !== null) output.line(`cause:    ${toCause(incident.cause)}`);
  output.line(
    decision === null
      ? "decision: none yet"
      : `decision: ${decision.skill}, by the rule "${decision.rule}" of the policy`,
  );
  if (incident.acknowledgedBy !== null) output.line(`at it:    ${incident.acknowledgedBy}`);
  if (incident.label !== null) output.line(`label:    ${incident.label}`);
  const [first = "", ...rest] = wrap(incident.series.join(", "), Math.max(30, output.width - HEAD_INDENT));
  output.line(`series:   ${first}`);
  for (const line of rest) output.line(" ".repeat(HEAD_INDENT) + line);
}

function printStory(output: Output, { story }: Detail): void {
  output.line();
  output.line(output.style("bold", "What happened"));
  for (const { atMs, kind, text } of story) {
    const [first = "", ...rest] = wrap(text, Math.max(30, output.width - STORY_INDENT));
    output.line(`${output.style("dim", formatTime(atMs).padEnd(26))}${kind.padEnd(10)}${first}`);
    for (const line of rest) output.line(" ".repeat(STORY_INDENT) + line);
  }
}

function printDiagnosis(output: Output, { diagnosis }: Detail): void {
  if (diagnosis === null) return;
  output.line();
  output.line(output.style("bold", "Why"));
  for (const [head, text] of toWhy(diagnosis)) printWrapped(output, head, text);
}

/** What is to blame, what speaks for it, what else may be, what should be done, and what would make it more certain. */
export function toWhy({ thought, cause, alternatives, proposedSolution, missing }: Diagnosis): [string, string][] {
  return [
    ["", thought],
    ...cause.reasons.map(({ weight, text }): [string, string] => [
      `${weight >= 0 ? "+" : "-"}${Math.abs(weight).toFixed(1)}  `,
      text,
    ]),
    ...alternatives
      .slice(0, 3)
      .map((other): [string, string] => ["or    ", `${causeName(other)}, ${formatShare(other.confidence)}`]),
    ["do    ", proposedSolution],
    ...missing.map((text): [string, string] => ["?     ", text]),
  ];
}

function printActionsOf(output: Output, { actions }: Detail): void {
  const risky = actions.filter(({ checkedSeries, state }) => checkedSeries.length > 0 || state !== "done");
  if (risky.length === 0) return;
  output.line();
  output.line(output.style("bold", "What was decided"));
  for (const line of risky.flatMap(toActionLines)) printWrapped(output, "", asTyped(line));
}

/** What was decided, and what a person is to do about it where nobody knows what became of it. */
export function toActionLines(action: Action): string[] {
  const { id, state, reason, predictedDeltaE, measuredDeltaE } = action;
  const energy = predictedDeltaE === null ? "" : ` ΔE ${predictedDeltaE.toFixed(2)} expected`;
  const measured = measuredDeltaE === null ? "" : `, ${measuredDeltaE.toFixed(2)} measured`;
  const line = `${skillName(action)}: ${state}. ${reason}${energy}${measured}`;
  return state === "unknown" ? [line, howToSettle(id)] : [line];
}

function printWrapped(output: Output, head: string, text: string): void {
  const [first = "", ...rest] = wrap(text, Math.max(30, output.width - head.length));
  output.line(head + first);
  for (const line of rest) output.line(" ".repeat(head.length) + line);
}

/** Of what is not known nobody is sure. */
export function toCause(cause: NonNullable<Detail["cause"]>): string {
  const name = causeName(cause);
  return cause.kind === "unknown" ? name : `${name}, ${formatShare(cause.confidence)} sure`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

async function printCharts({ output }: CommandContext, connection: Connection, incident: Detail): Promise<void> {
  const bySeries = new Map<string, Crossing[]>();
  for (const crossing of incident.crossings) {
    const key = `${crossing.source}/${crossing.series}`;
    bySeries.set(key, [...(bySeries.get(key) ?? []), crossing]);
  }
  for (const [name, crossings] of [...bySeries].slice(0, CHARTS)) {
    const points = await surrounding(connection, crossings);
    if (points.length === 0) continue;
    const first = crossings[0];
    output.line();
    output.line(
      first === undefined
        ? name
        : `${output.style("bold", name)}  ${formatValue(first.value)} where ${formatValue(first.expected)} ± ${formatValue(first.spread)} is routine`,
    );
    const chart = drawChart(
      points.map(([timestampMs, value]) => ({ timestampMs, value })),
      {
        width: Math.min(100, Math.max(40, output.width)),
        height: CHART_HEIGHT,
        marksMs: crossings.map(({ startedAtMs }) => startedAtMs),
        isColoured: output.style("red", "x") !== "x",
      },
    );
    for (const line of chart.split("\n")) output.line(line);
  }
  if (bySeries.size > CHARTS) output.line(`… and ${bySeries.size - CHARTS} more series`);
}

/** As many points on both sides of what was noticed as a chart can show. */
async function surrounding(
  connection: Connection,
  crossings: readonly Crossing[],
): Promise<[number, number, number][]> {
  const ml = connection.getServiceClient("ml");
  const { source = "", series = "" } = crossings[0] ?? {};
  const times = crossings.map(({ startedAtMs }) => startedAtMs);
  const [fromMs, toMs] = [Math.min(...times), Math.max(...times)];
  const before = await ml.points.try({ source, series, toMs: fromMs, limit: SURROUNDING_POINTS });
  if (!before.ok) return [];
  const stepMs = typicalStep(before.value.points);
  const after = await ml.points({
    source,
    series,
    fromMs: fromMs + 1,
    toMs: toMs + stepMs * SURROUNDING_POINTS,
    limit: 20_000,
  });
  return [...before.value.points, ...after.points];
}

function typicalStep(points: readonly (readonly [number, number, number])[]): number {
  const steps = points.slice(1).map(([atMs], i) => atMs - (points[i]?.[0] ?? atMs));
  return steps.sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 60_000;
}

function printTasks(output: Output, { tasks }: Detail): void {
  if (tasks.length === 0) return;
  output.line();
  output.line(output.style("bold", "What was done"));
  for (const task of tasks) output.line(toTaskLine(task));
}

/** One that is over without an agent never came to one. */
export function toTaskLine(task: Detail["tasks"][number]): string {
  const agent = task.agent ?? (isFinal(task) ? "no agent" : "nobody yet");
  const outcome = task.error === null ? "" : `: ${task.error.message}`;
  return `${task.type} by ${agent}, ${task.state} after ${formatDuration(task.updatedAtMs - task.createdAtMs)}${outcome}`;
}
