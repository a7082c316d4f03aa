import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { systemClock } from "#core/clock.ts";
import { systemRandom } from "#core/random.ts";
import { isRunning } from "#app/run-file.ts";
import { describeEngine } from "#runtime/engine/engine.conformance.ts";
import { createEmbeddedEngine } from "#runtime/engine/embedded/embedded-engine.ts";
import { createHostPool } from "#runtime/engine/embedded/host-pool.ts";
import { silentLogger } from "#runtime/telemetry/logger.ts";
import { callToy, toyEnvironment, toySpec } from "./toy.ts";
import { createMemoryDesiredState } from "./memory-desired-state.ts";

const logsDir = mkdtempSync(join(tmpdir(), "seedcore-engine-"));
afterAll(() => rmSync(logsDir, { recursive: true, force: true }));
let engines = 0;

async function createEngine() {
  const pool = createHostPool({
    program: [join(import.meta.dirname, "toy-host.ts")],
    environment: toyEnvironment,
    logsDir,
    marker: `SEEDCORE_ORGANISM=test-${process.pid}-${++engines}`,
  });
  const engine = createEmbeddedEngine({
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    pool,
    desired: createMemoryDesiredState(),
    organism: { namespace: "test", dataDir: logsDir, databaseUrl: "", bindAddress: "127.0.0.1", publicKey: {} },
    config: {},
    mintToken: async () => "none",
    timing: { probeIntervalMs: 200, probeTimeoutMs: 300 },
    sweepMs: 500,
  });
  await engine.start();
  return engine;
}

describeEngine("embedded", {
  spec: toySpec,
  erring: (errorsInTen) => ({ ...toySpec, env: { TOY_ERRORS: String(errorsInTen) } }),
  failing: (message) => ({ ...toySpec, env: { TOY_FAIL: message } }),
  call: callToy,
  settlesWithinMs: 30_000,
  failsWithinMs: 1_500,
  signal: ({ pid }, signal) => process.kill(pid ?? 0, signal),
  isAlive: ({ pid }) => pid !== undefined && isRunning({ pid, processStart: null }),
  create: createEngine,
});

// A start that had failed kept its process for the rest of the minute it would have waited.
it.each(["stop", "kill"] as const)("a %s ends the waiting for what can no longer come", async (end) => {
  const engine = await createEngine();
  await engine.deploy({ ...toySpec, env: { TOY_FAIL: "no model" } });
  const waiting = expect(engine.settled(600_000)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await engine[end]();
  await waiting;
});
