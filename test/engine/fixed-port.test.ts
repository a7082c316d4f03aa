import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { systemClock } from "#core/clock.ts";
import { systemRandom } from "#core/random.ts";
import { createEmbeddedEngine } from "#runtime/engine/embedded/embedded-engine.ts";
import { createHostPool } from "#runtime/engine/embedded/host-pool.ts";
import { silentLogger } from "#runtime/telemetry/logger.ts";
import { freePort } from "../free-ports.ts";
import { createMemoryDesiredState } from "./memory-desired-state.ts";
import { askToy, toyEnvironment, toySpec } from "./toy.ts";

// Callers of a fixed port know no topology: they only see whether somebody listens.
it.skipIf(process.platform !== "linux")(
  "a host with a fixed port is replaced while its port goes on answering",
  async () => {
    const logsDir = mkdtempSync(join(tmpdir(), "seedcore-port-"));
    const pool = createHostPool({
      program: [join(import.meta.dirname, "toy-host.ts")],
      environment: toyEnvironment,
      logsDir,
      marker: `SEEDCORE_ORGANISM=port-${process.pid}`,
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
    try {
      await engine.start();
      const port = await freePort();
      await engine.deploy({ ...toySpec, port });
      await engine.settled(20_000);
      const refused: string[] = [];
      const answeredBy = new Set<number>();
      let stopped = false;
      const load = (async () => {
        while (!stopped) {
          await askToy(`http://127.0.0.1:${port}`, "/toy/who").then(
            ({ pid }) => answeredBy.add(pid),
            // A reset or a 503 may meet the one connection that was waiting when a listener closed; a refusal means a gap.
            (error: NodeJS.ErrnoException) => error.code === "ECONNREFUSED" && refused.push(error.code),
          );
        }
      })();
      await engine.restart("toy");
      await engine.settled(20_000);
      await engine.restart("toy");
      await engine.settled(20_000);
      stopped = true;
      await load;
      expect(refused).toEqual([]);
      expect(answeredBy.size).toBe(3);
      await expect(engine.scale("toy", 2)).rejects.toMatchObject({ code: "INVALID_INPUT" });
    } finally {
      await engine.stop();
      rmSync(logsDir, { recursive: true, force: true });
    }
  },
);
