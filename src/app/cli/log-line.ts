/** One line of a host's log for people. */
import { formatTime } from "./format.ts";

const LEVELS = ["debug", "info", "warn", "error", "fatal"];
const COLOURS = { debug: "dim", info: "cyan", warn: "yellow", error: "red", fatal: "red" } as const;

/** Of every line, or of none that matter to a reader. */
const LEFT_OUT = new Set(["level", "time", "msg", "host", "pid", "replica", "spanId", "traceId"]);

export type Style = (format: "dim" | "cyan" | "yellow" | "red", text: string) => string;

interface LogFields {
  readonly level?: string;
  readonly time?: string;
  readonly msg?: string;
}

/** `2026-11-23 23:07:05.123Z warn  core  A source fails. source="x"`; a line that is no JSON stays as it is. */
export function formatLogLine(line: string, host: string, style: Style): string {
  const fields = parse(line);
  if (fields === undefined) return `${host}  ${line}`;
  const { level = "", time: timeText = "", msg = "" } = fields;
  const coloured = level in COLOURS ? style(COLOURS[level as keyof typeof COLOURS], level.padEnd(5)) : level.padEnd(5);
  const time = formatTime(Date.parse(timeText));
  const rest = Object.entries(fields).filter(([name]) => !LEFT_OUT.has(name));
  const said = rest.map(([name, value]) => style("dim", `${name}=${shown(name, value)}`)).join(" ");
  return `${style("dim", time)} ${coloured} ${host.padEnd(10)} ${msg} ${said}`.trimEnd();
}

/** Whether a line is of this level or above; a line that is no JSON came from a crash, and always is. */
export function isAtLeast(line: string, level: string): boolean {
  const own = LEVELS.indexOf(parse(line)?.level ?? "");
  return own === -1 || own >= LEVELS.indexOf(level);
}

/** Milliseconds since the epoch; 0 for a line without a time. */
export function timeOf(line: string): number {
  return Date.parse(parse(line)?.time ?? "") || 0;
}

function parse(line: string): LogFields | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as LogFields;
  } catch {
    return undefined;
  }
}

function shown(name: string, value: unknown): string {
  // A stack is for those who ask for it: `logs --json`.
  if ((name === "err" || name === "error") && typeof value === "object" && value !== null) {
    const { type = "Error", message = "" } = value as { type?: string; message?: string };
    return JSON.stringify(`${type}: ${message}`);
  }
  return JSON.stringify(value);
}
