import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { ServiceError } from "#core/service-error.ts";
import type { Connection } from "../../connect.ts";
import { toWatchPlan } from "./arguments.ts";
import { watchFile } from "./watch-file.ts";

// A host that crashed again and again comes back after ten seconds: longer than the deadline of the question where to go on.
it("waits for ml when it is away before the first point as it does later", async () => {
  const directory = mkdtempSync(join(tmpdir(), "seedcore-watch-"));
  try {
    const path = join(directory, "shop.csv");
    writeFileSync(path, "timestamp,value\n2026-01-01 00:00:00,1\n2026-01-01 00:00:01,2\n");
    let asked = 0;
    const source = async () => {
      if (++asked < 3) throw new ServiceError("UNAVAILABLE", "away", { retryAfterMs: 1 });
      return { ok: false, error: { code: "UNKNOWN_SOURCE" } };
    };
    const ingest = async () => ({ accepted: 2, late: 0, rejected: 0, crossings: [] });
    const connection = { getServiceClient: () => ({ source: { try: source }, ingest }) } as unknown as Connection;
    const plan = toWatchPlan([path], { speed: "max", step: "15s" });
    const watched = await watchFile({ path, source: "shop" }, connection, {
      plan,
      stdin: Readable.from([]),
      signal: new AbortController().signal,
      onAcknowledged: () => {},
    });
    expect(asked).toBe(3);
    expect(watched.result.accepted).toBe(2);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
