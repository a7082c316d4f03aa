import { type DestinationStream, destination, type Logger as Pino, pino, stdTimeFunctions } from "pino";
import { systemRandom } from "#core/random.ts";
import { currentCall, type Trace } from "../call.ts";
import { newTrace } from "../trace.ts";
import type { Logger } from "./logger.ts";
import { redacted } from "./redaction.ts";

export interface PinoLoggerOptions {
  /** On every line, such as the host's name and the replica. */
  readonly fields?: object;
  /** @default "info" */
  readonly level?: "debug" | "info" | "warn" | "error";
  /** @default standard output, written before the call returns, so that a crash loses no line */
  readonly stream?: DestinationStream;
}

/**
 * JSON lines with the ids of the current call; what is named like a secret is blanked. Every line has a `traceId`: outside
 * of calls that of the logger itself, which all such lines of one process share. A line that cannot be written, since the
 * disk is full, is lost: logging never throws, and never ends who logs.
 */
export function createPinoLogger(options: PinoLoggerOptions = {}): Logger {
  const own = newTrace(systemRandom);
  const root = pino(
    {
      level: options.level ?? "info",
      base: options.fields ?? {},
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: redacted },
      // `redacted` has written the error out already; pino would take it for an error called "Object".
      serializers: { err: (error: unknown) => error },
      mixin: () => callFields(own),
    },
    options.stream === undefined ? standardOutput() : forgiving(options.stream),
  );
  return toLogger(root);
}

/** Lines that wait for a full disk to have room again; what comes beyond them is dropped. */
const MAX_WAITING_BYTES = 1024 * 1024;

function standardOutput(): DestinationStream {
  const output = destination({ fd: 1, sync: true, maxLength: MAX_WAITING_BYTES });
  // Without a listener the failure would be thrown. The line that failed is written again with the next one.
  output.on("error", () => {});
  return output;
}

function forgiving(stream: DestinationStream): DestinationStream {
  return {
    write(line) {
      try {
        stream.write(line);
      } catch {
        // There is nowhere left to tell.
      }
    },
  };
}

function callFields(own: Trace): object {
  const call = currentCall();
  if (call === undefined) return { traceId: own.traceId, spanId: own.spanId };
  return {
    call: `${call.contract}.${call.procedure}`,
    caller: call.caller.subject,
    correlationId: call.correlationId,
    traceId: call.trace.traceId,
    spanId: call.trace.spanId,
  };
}

function toLogger(target: Pino): Logger {
  return {
    debug: (fields, message) => target.debug(fields, message),
    info: (fields, message) => target.info(fields, message),
    warn: (fields, message) => target.warn(fields, message),
    error: (fields, message) => target.error(fields, message),
    child: (fields) => toLogger(target.child(redacted(fields))),
  };
}
