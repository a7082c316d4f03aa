import { stat } from "node:fs/promises";
import { systemClock } from "#core/clock.ts";
import type { Crossing } from "#contracts/ml.ts";
import type { SourceStatus } from "#contracts/telemetry.ts";
import type { Connection } from "../../connect.ts";
import { type CliError, toCliError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { formatCount, formatTime, formatValue } from "../format.ts";
import { createProgress } from "../progress.ts";
import { type FileSource, meantKeyword, toWatchPlan, type WatchOptions, type WatchPlan } from "../watch/arguments.ts";
import { incidentsOf, incidentsOfSources } from "../watch/incidents-of.ts";
import { insist } from "../watch/insist.ts";
import { failingSource, putSources } from "../watch/long-lived.ts";
import { printFile, printIncidents, printNoticed, printShort } from "../watch/summary.ts";
import { type WatchedFile, watchFile } from "../watch/watch-file.ts";
import { printSources } from "./status.ts";

export interface WatchInvocation extends Invocation {
  readonly options: WatchOptions;
}

interface Failed {
  readonly file: FileSource;
  readonly error: CliError;
}

/** Files that are read at once; each is one source, and its points go one batch after another. */
const FILES_AT_ONCE = 4;

/** `watch SOURCE…`: long-lived sources are put into the organism; files and standard input are read here. */
export async function run(context: CommandContext, { args, options }: WatchInvocation): Promise<ExitCode> {
  const plan = toWatchPlan(args, options);
  const { output, signal } = context;
  const connection = await context.connect();
  const longLived = plan.longLived.length === 0 ? [] : await putSources(context, connection, plan.longLived);
  printLongLived(context, longLived);
  const failing = longLived.find(({ state }) => state === "failing");
  const { watched, failed } = await watchFiles(context, connection, plan);
  if (plan.files.length === 0) {
    const filled = longLived.filter(({ backfillRatio }) => backfillRatio !== null).map(({ name }) => name);
    const incidents = filled.length === 0 ? [] : await incidentsOfSources(filled, connection, systemClock, signal);
    output.data({ sources: longLived, files: [], failed: [], incidents });
    if (filled.length > 0 && incidents.length === 0) output.line("Nothing out of the routine was noticed in the past.");
    printIncidents(output, incidents);
    if (failing !== undefined) throw failingSource(failing);
    const last = incidents.at(-1);
    output.hint("", `Next: seedcore incidents ${last === undefined ? "--follow" : `show ${last.id}`}`);
    return plan.check && incidents.length > 0 ? EXIT.found : EXIT.ok;
  }

  const crossings = watched.flatMap(({ result }) => result.crossings).sort((a, b) => a.startedAtMs - b.startedAtMs);
  const incidents = await incidentsOf(crossings, connection, systemClock, signal);
  output.data({
    sources: longLived,
    files: watched.map(toData),
    failed: failed.map(({ file, error }) => ({ ...file, error: error.toData() })),
    incidents,
  });
  for (const file of watched) printFile(output, file);
  if (watched.length > 0) {
    output.line();
    if (crossings.length === 0 && watched.every(({ result }) => result.accepted === 0))
      output.line("There was nothing new to score.");
    else {
      printNoticed(
        output,
        crossings.map((crossing) => ({ ...crossing, series: `${crossing.source}/${crossing.series}` })),
      );
    }
    printIncidents(output, incidents);
    if (crossings.length === 0) printShort(output, await shortestSeries(connection, watched, signal));
  }
  for (const { error } of failed) output.failure(error);
  const last = incidents.at(-1);
  if (watched.length > 0) output.hint("", `Next: seedcore incidents${last === undefined ? "" : ` show ${last.id}`}`);
  if (signal.aborted) {
    if (plan.files.some(({ path }) => path !== "-"))
      output.hint("Stopped before the end; the same command goes on with what is not stored yet.");
    return EXIT.interrupted;
  }
  if (failing !== undefined) throw failingSource(failing);
  if (failed.length > 0) return EXIT.failed;
  return plan.check && crossings.length > 0 ? EXIT.found : EXIT.ok;
}

async function shortestSeries(
  connection: Connection,
  watched: readonly WatchedFile[],
  signal: AbortSignal,
): Promise<number> {
  const ml = connection.getServiceClient("ml");
  const infos = await Promise.all(
    watched.map(({ file: { source } }) => insist(() => ml.source.try({ source }), systemClock, signal)),
  );
  return Math.min(...infos.flatMap((info) => (info.ok ? info.value.series.map(({ points }) => points) : [])));
}

function toData({ file, report, result }: WatchedFile) {
  const { rows, rejected, examples, ignoredColumns } = report;
  const { accepted, late, skipped, crossings } = result;
  return { ...file, rows, accepted, late, scoredBefore: skipped, rejected, examples, ignoredColumns, crossings };
}

function printLongLived({ output, now }: CommandContext, sources: readonly SourceStatus[]): void {
  if (sources.length === 0) return;
  output.line("Watched by the organism from now on, also after its restart:");
  printSources(output, sources, now());
}

async function watchFiles(
  context: CommandContext,
  connection: Connection,
  plan: WatchPlan,
): Promise<{ watched: WatchedFile[]; failed: Failed[] }> {
  const { output, signal, stdin } = context;
  const watched: WatchedFile[] = [];
  const failed: Failed[] = [];
  const progress = createProgress(output);
  const sizes = await Promise.all(plan.files.map(({ path }) => sizeOf(path)));
  const points = new Map<string, number>();
  const isLive = Number.isFinite(plan.speed) || plan.files.some(({ path }) => path === "-");
  const allBytes = sum(sizes);
  const storedBytes = new Map<string, number>();

  const watchOne = async (file: FileSource): Promise<void> => {
    try {
      const onAcknowledged = (result: { points: number }, crossings: readonly Crossing[], bytes: number) => {
        points.set(file.source, result.points);
        storedBytes.set(file.source, bytes);
        if (isLive && crossings.length > 0) {
          progress.clear();
          for (const crossing of crossings) output.line(liveLine(crossing));
        }
        const total = sum(points.values());
        progress.show(
          Number.isFinite(allBytes) ? sum(storedBytes.values()) / Math.max(1, allBytes) : undefined,
          `${formatCount(total)} points${rate(total, startedMs)}`,
        );
      };
      watched.push(await watchFile(file, connection, { plan, stdin, signal, onAcknowledged }));
    } catch (error) {
      failed.push({ file, error: await explain(error, file, points.get(file.source) ?? 0) });
    }
  };

  const startedMs = performance.now();
  // The largest first, so that none is left alone at the end.
  const waiting = plan.files.map((file, i) => ({ file, size: sizes[i] ?? 0 })).sort((a, b) => b.size - a.size);
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined && !signal.aborted; next = waiting.shift())
      await watchOne(next.file);
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, worker));
  progress.clear();
  watched.sort((a, b) => plan.files.indexOf(a.file) - plan.files.indexOf(b.file));
  return { watched, failed };
}

async function sizeOf(path: string): Promise<number> {
  if (path === "-") return Number.POSITIVE_INFINITY;
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

function sum(counts: Iterable<number>): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}

function rate(points: number, startedMs: number): string {
  const seconds = (performance.now() - startedMs) / 1_000;
  return seconds < 0.2 ? "" : `, ${formatCount(points / seconds)}/s`;
}

function liveLine({ startedAtMs, source, series, value, expected, spread, direction }: Crossing): string {
  const routine = expected === null ? "" : `, expected ${formatValue(expected)} ± ${formatValue(spread ?? 0)}`;
  return `${formatTime(startedAtMs)}  ${source}/${series}  ${direction}: ${formatValue(value)}${routine}`;
}

async function explain(error: unknown, { path }: FileSource, points: number): Promise<CliError> {
  const told = toCliError(error);
  if (told.code === "SOURCE") {
    const keyword = meantKeyword(path);
    return keyword === undefined ? told : told.with(`Or did you mean "${keyword}"?`);
  }
  return told.with(
    points === 0
      ? "Nothing of it was stored."
      : `${formatCount(points)} points of it are stored; the same command goes on from there.`,
  );
}
