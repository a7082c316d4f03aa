/** What `watch` and `detect` tell about what was noticed. */
import type { Incident } from "#contracts/incident.ts";
import { WARM_UP_POINTS } from "#services/ml/detector/alarm.ts";
import { formatCount, formatTime, formatValue, plural } from "../format.ts";
import type { Output } from "../output.ts";
import type { WatchedFile } from "./watch-file.ts";

export interface Noticed {
  readonly series: string;
  readonly startedAtMs: number;
  readonly value: number;
  readonly expected: number | null;
  readonly spread: number | null;
  readonly direction: string;
}

const SHOWN = 20;

export function printFile(output: Output, { file, report, result }: WatchedFile): void {
  const counts = [
    plural(report.rows, "row"),
    `${formatCount(result.accepted)} ${result.accepted === 1 ? "point" : "points"} accepted`,
    `${formatCount(result.late)} late`,
    `${formatCount(report.rejected)} rejected`,
  ];
  if (result.skipped > 0) counts.push(`${formatCount(result.skipped)} scored before`);
  output.line(`${output.style("bold", file.source)}: ${counts.join(", ")}`);
  if (result.late > 0) {
    output.line(
      "  late: not after the newest point of the series, so out of order, repeated, or scored by an earlier watch",
    );
  }
  printRejections(output, report);
}

export function printRejections(output: Output, report: WatchedFile["report"]): void {
  for (const { line, text, reason } of report.examples) output.line(`  ${report.name}:${line}: ${reason} (${text})`);
  const more = report.rejected - report.examples.length;
  if (more > 0) output.line(`  … and ${formatCount(more)} more`);
  if (report.ignoredColumns.length > 0) {
    output.line(`  left out, without numbers: ${report.ignoredColumns.join(", ")}`);
  }
}

export function printNoticed(output: Output, noticed: readonly Noticed[]): void {
  if (noticed.length === 0) return output.line("Nothing out of the routine was noticed.");
  output.line(`Noticed ${plural(noticed.length, "time")} something out of the routine:`);
  output.table(
    [
      { title: "  TIME (UTC)" },
      { title: "SERIES", maxWidth: 50 },
      { title: "VALUE", align: "right" },
      { title: "EXPECTED" },
      { title: "" },
    ],
    noticed
      .slice(0, SHOWN)
      .map((one) => [
        `  ${formatTime(one.startedAtMs)}`,
        one.series,
        formatValue(one.value),
        one.expected === null ? "" : `${formatValue(one.expected)} ± ${formatValue(one.spread ?? 0)}`,
        one.direction,
      ]),
  );
  if (noticed.length > SHOWN) output.line(`  … and ${formatCount(noticed.length - SHOWN)} more`);
}

/** A short series says why nothing of it is noticed. */
export function printShort(output: Output, shortest: number): void {
  if (shortest >= WARM_UP_POINTS) return;
  output.line(
    `A series is judged from its ${WARM_UP_POINTS}th point on; the shortest here has ${formatCount(shortest)}.`,
  );
}

export function printIncidents(output: Output, incidents: readonly Incident[]): void {
  if (incidents.length === 0) return;
  output.line(`${plural(incidents.length, "incident")}:`);
  output.table(
    [{ title: "  INCIDENT" }, { title: "SEVERITY" }, { title: "DECISION" }, { title: "" }],
    incidents
      .slice(-SHOWN)
      .map(({ id, severity, decision, title }) => [`  ${id}`, severity, decision?.skill ?? "undecided", title]),
  );
  if (incidents.length > SHOWN) output.line(`  … and ${formatCount(incidents.length - SHOWN)} earlier ones`);
}
