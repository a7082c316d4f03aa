import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { silentLogger } from "#runtime/telemetry/logger.ts";
import { type Config, loadConfig } from "./config.ts";
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
    refused: () => {},
    onNotice: () => {},
  });
  try {
    expect(await applied.promise).toEqual({ organism: { agentsPerOrgan: 3 } });
  } finally {
    stop();
    rmSync(directory, { recursive: true });
  }
});

// Whoever asked for the policy was shown the last good one, and not told that a newer one had been read and refused.
it("tells that a file was refused, with what stands, until a good one is read, be it the one before", async () => {
  const directory = mkdtempSync(join(tmpdir(), "seedcore-config-watch-"));
  const home = resolveHome({ home: directory, namespace: "test", configFile: join(directory, "seedcore.json") });
  const good = JSON.stringify({ services: { organism: { agentsPerOrgan: 3 } } });
  writeFileSync(home.configFile, good);
  const initial = await loadConfig(home);
  const policy = [{ name: "r", when: "cause.knid == 'x'", skill: "notify" }];
  // As it is at the start, before any event.
  writeFileSync(home.configFile, JSON.stringify({ services: { coordinator: { policy } } }));
  const told: [string | undefined, Config["services"]][] = [];
  const stop = watchConfig({
    initial,
    log: silentLogger,
    apply: async () => {},
    refused: (refusal, { services }) => void told.push([refusal?.problems.join(), services]),
    onNotice: () => {},
  });
  try {
    await vi.waitFor(() => expect(told).toEqual([[expect.stringContaining("knid"), initial.services]]));
    writeFileSync(home.configFile, good);
    await vi.waitFor(() => expect(told[1]).toEqual([undefined, initial.services]));
  } finally {
    stop();
    rmSync(directory, { recursive: true });
  }
});
