import { expect, test } from "vitest";
import { type Call, runInCall } from "../call.ts";
import { createCallMetrics, createRegistry } from "./metrics.ts";
import { createPinoLogger } from "./pino-logger.ts";

const trace = { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true };
const call: Call = {
  contract: "ml",
  procedure: "ingest",
  caller: { subject: "ada", scopes: new Set() },
  deadlineAtMs: 1,
  correlationId: "c1",
  trace,
  priority: "normal",
  signal: new AbortController().signal,
};

function capture(): { lines: Record<string, unknown>[]; write(line: string): void } {
  const lines: Record<string, unknown>[] = [];
  return { lines, write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
}

test("a line inside a call can be found by the call's ids, also when the logger was made outside", () => {
  const stream = capture();
  const log = createPinoLogger({ stream, fields: { host: "core" } }).child({ service: "ml" });
  runInCall(call, () => log.info({ points: 3 }, "stored"));
  expect(stream.lines[0]).toMatchObject({
    level: "info",
    msg: "stored",
    host: "core",
    service: "ml",
    points: 3,
    call: "ml.ingest",
    caller: "ada",
    correlationId: "c1",
    traceId: trace.traceId,
  });
});

test("a line outside of any call has a trace id too: one for all such lines of a process, another for the next process", () => {
  const [first, second] = [capture(), capture()];
  const log = createPinoLogger({ stream: first });
  log.info({}, "starts");
  runInCall(call, () => log.info({}, "in a call"));
  log.child({ service: "ml" }).info({}, "ends");
  createPinoLogger({ stream: second }).info({}, "starts");
  const ids = [...first.lines, ...second.lines].map(({ traceId }) => traceId);
  expect(ids).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), trace.traceId, ids[0], expect.any(String)]);
  expect(ids[3]).not.toBe(ids[0]);
});

test("secrets do not reach the log, however deep, and however their name is written", () => {
  const stream = capture();
  createPinoLogger({ stream }).warn(
    { token: "s3", headers: { Authorization: "Bearer s3" }, list: [{ "api-key": "s3", tokens: 7 }] },
    "hm",
  );
  expect(JSON.stringify(stream.lines)).not.toContain("s3");
  expect(stream.lines[0]).toMatchObject({ list: [{ tokens: 7 }] });
});

test("the cause of an error is in the log: a defect is found without reproducing it", () => {
  const stream = capture();
  createPinoLogger({ stream }).error({ error: new Error("outer", { cause: new Error("disk") }) }, "failed");
  expect(stream.lines[0]).toMatchObject({ error: { message: "outer", cause: { message: "disk" } } });
  createPinoLogger({ stream }).error({ err: new TypeError("inner", { cause: new Error("disk") }) }, "failed");
  expect(stream.lines[1]).toMatchObject({ err: { type: "TypeError", message: "inner", cause: { message: "disk" } } });
});

test("metrics tell calls apart by outcome and read gauges when asked", async () => {
  const registry = createRegistry({ host: "core" });
  let inFlight = 1;
  const metrics = createCallMetrics(registry, { inFlight: () => inFlight, queued: () => 0, streams: () => 0 });
  metrics.ended("ml", "ingest", "OK", 0.002);
  metrics.ended("ml", "ingest", "DEADLINE", 5);
  inFlight = 4;
  const text = await registry.metrics();
  expect(text).toContain(
    'seedcore_calls_total{service="ml",procedure="ingest",outcome="error",code="DEADLINE",host="core"} 1',
  );
  expect(text).toContain('seedcore_calls_in_flight{host="core"} 4');
});

// A full disk must not end who logs: a supervisor that did took the whole organism with it.
test("a line that cannot be written is lost, and nothing else", () => {
  let isFull = true;
  const stream = capture();
  const write = (line: string) => {
    if (isFull) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    stream.write(line);
  };
  const log = createPinoLogger({ stream: { write } });
  log.info({}, "lost");
  isFull = false;
  log.info({}, "written");
  expect(stream.lines.map(({ msg }) => msg)).toEqual(["written"]);
});
