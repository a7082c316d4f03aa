import type { Logger } from "#runtime/telemetry/logger.ts";

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A logger that keeps its lines, for tests that ask what an operator would have read. */
export interface MemoryLogger extends Logger {
  readonly lines: readonly LogLine[];
}

export function createMemoryLogger(fields: object = {}, lines: LogLine[] = []): MemoryLogger {
  const at = (level: LogLine["level"]) => (own: object, message: string) => {
    lines.push({ level, fields: { ...fields, ...own }, message });
  };
  return {
    lines,
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (more) => createMemoryLogger({ ...fields, ...more }, lines),
  };
}
