import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { silentLogger } from "#runtime/telemetry/logger.ts";
import { loadConfig } from "./config.ts";
import { watchConfig } from "./config-watch.ts";
import { resolveHome } from "./home.ts";

it("applies what changed while the organism started, which no event tells", async () => {
  const directory = mkdtempSync(join(tmpdir(), "seedcore-config-watch-"));
  const home = resolveHome({ home: directory, namespace: "test", configFile: join(directory, "seedcore.json") });
  const initial = await loadConfig(home);
  writeFileSync(home.configFile, JSON.stringify({ services: { organism: { agentsPerOrgan: 3 } } }));
  const applied = Promise.withResolvers<unknown>();
  const stop = watchConfig({
    initial,
    log: silentLogger,
    apply: async ({ services }) => applied.resolve(services),
    onNotice: () => {},
  });
  try {
    expect(await applied.promise).toEqual({ organism: { agentsPerOrgan: 3 } });
  } finally {
    stop();
    rmSync(directory, { recursive: true });
  }
});
