/** A supervisor of toy hosts, as a process of its own, so that tests can kill it. Prints its status as JSON lines. */
import { systemClock } from "#core/clock.ts";
import { systemRandom } from "#core/random.ts";
import { join } from "node:path";
import { createEmbeddedEngine } from "#runtime/engine/embedded/embedded-engine.ts";
import { createHostPool } from "#runtime/engine/embedded/host-pool.ts";
import { silentLogger } from "#runtime/telemetry/logger.ts";
import { createMemoryDesiredState } from "./memory-desired-state.ts";
import { toyEnvironment, toySpec } from "./toy.ts";

const [logsDir = "", marker = ""] = process.argv.slice(2);
const pool = createHostPool({
  program: [join(import.meta.dirname, "toy-host.ts")],
  environment: toyEnvironment,
  logsDir,
  marker,
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
});
await engine.start();
await engine.deploy({ ...toySpec, replicas: 2 });
await engine.settled(30_000);
console.log(JSON.stringify(engine.status().hosts[0]?.replicas));
