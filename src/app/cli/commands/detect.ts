import { stat } from "node:fs/promises";
import { drawChart } from "../chart.ts";
import { type CliError, toCliError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { type ScoredFile, type ScoredSeries, scoreFile } from "../detect/score-file.ts";
import { writeScores } from "../detect/write-scores.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { formatCount, plural } from "../format.ts";
import { toAmount } from "../options.ts";
import type { Output } from "../output.ts";
import { createProgress } from "../progress.ts";
import { printNoticed, printRejections, printShort } from "../watch/summary.ts";

export type DetectOptions = { readonly out?: string; readonly minimumChange?: string; readonly check?: boolean };

export interface DetectInvocation extends Invocation {
  readonly options: DetectOptions;
}

interface Failed {
  readonly path: string;
  readonly error: CliError;
}

const CHART_HEIGHT = 9;
const CHARTS_PER_FILE = 3;

/** `detect FILE…`: scores files with the organism's own detector, in this process. */
export async function run(context: CommandContext, { args, options }: DetectInvocation): Promise<ExitCode> {
  const { output, signal } = context;
  const minimumChange =
    options.minimumChange === undefined ? undefined : toAmount("--minimum-change", options.minimumChange);
  const progress = createProgress(output);
  const sizes = await Promise.all(args.map(sizeOf));
  const all = sizes.reduce((sum, size) => sum + size, 0);
  const files: (ReturnType<typeof toData> & { written: string[] })[] = [];
  const failed: Failed[] = [];
  let doneBytes = 0;

  for (const [i, path] of args.entries()) {
    try {
      const onRows = (rows: number, bytes: number) =>
        progress.show((doneBytes + bytes) / Math.max(1, all), `${path}, ${formatCount(rows)} rows`);
      const scored = await scoreFile(path, { minimumChange, signal, onRows });
      const written = options.out === undefined ? [] : await writeScores(options.out, scored, signal);
      progress.clear();
      print(output, scored, written);
      files.push({ ...toData(scored), written });
    } catch (error) {
      progress.clear();
      if (signal.aborted) return EXIT.interrupted;
      const told = toCliError(error);
      failed.push({ path, error: told });
      output.failure(told);
    }
    doneBytes += sizes[i] ?? 0;
  }
  const noticed = files.reduce((sum, file) => sum + file.noticed.length, 0);
  output.data({
    files,
    failed: failed.map(({ path, error }) => ({ path, error: error.toData() })),
  });
  if (args.length > 1) {
    const wrong = failed.length === 0 ? "" : `, ${formatCount(failed.length)} could not be read`;
    output.line(
      `${plural(files.length, "file")} scored${wrong}; noticed ${plural(noticed, "time")} something out of the routine.`,
    );
  }
  if (files.length > 0 && options.out === undefined)
    output.hint("Next: --out DIR writes the scores; seedcore watch FILE keeps them.");
  if (failed.length > 0) return EXIT.failed;
  return options.check === true && noticed > 0 ? EXIT.found : EXIT.ok;
}

function print(output: Output, scored: ScoredFile, written: readonly string[]): void {
  const points = scored.series.reduce((sum, { values }) => sum + values.length, 0);
  const counts = [plural(scored.report.rows, "row"), `${plural(points - scored.late, "point")} scored`];
  counts.push(`${formatCount(scored.late)} late`, `${formatCount(scored.report.rejected)} rejected`);
  output.line(`${output.style("bold", scored.path)}: ${counts.join(", ")}`);
  printRejections(output, scored.report);
  for (const path of written) output.line(`  written: ${path}`);
  if (written.length === 0 || scored.noticed.length > 0) printNoticed(output, scored.noticed);
  if (written.length > 0) return;
  printShort(output, Math.min(...scored.series.map(({ values }) => values.length)));
  for (const series of scored.series.slice(0, CHARTS_PER_FILE)) {
    if (scored.series.length > 1) output.line(series.name);
    for (const line of chart(output, scored, series).split("\n")) output.line(line);
  }
  if (scored.series.length > CHARTS_PER_FILE)
    output.line(`… and ${scored.series.length - CHARTS_PER_FILE} more series`);
  output.line();
}

function chart(output: Output, { name, noticed }: ScoredFile, series: ScoredSeries): string {
  return drawChart(
    series.timestampsMs.map((timestampMs, i) => ({ timestampMs, value: series.values[i] ?? Number.NaN })),
    {
      width: Math.min(100, Math.max(40, output.width)),
      height: CHART_HEIGHT,
      marksMs: noticed.filter((one) => one.series === `${name}/${series.name}`).map(({ startedAtMs }) => startedAtMs),
      isColoured: output.style("red", "x") !== "x",
    },
  );
}

function toData({ path, report, late, series, noticed }: ScoredFile) {
  const { rows, rejected, examples, ignoredColumns } = report;
  const points = series.reduce((sum, { values }) => sum + values.length, 0) - late;
  return { path, rows, points, late, rejected, examples, ignoredColumns, noticed };
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}
