/**
 * A Python deployment called from a TypeScript service on Ray, `context.serve()` through the shim, and from Node through
 * Serve's default HTTP proxy: the same deployment of two replicas, taking turns in one run. Needs the Python environment
 * that `npm test` makes.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { TestOrganism } from "../test/app/organism.ts";
import { startCluster } from "../test/ray/cluster/cluster.ts";
import { environmentFor } from "../test/ray/ray-organism.ts";
import { load } from "./load.ts";
import { quantile } from "./quantile.ts";

const ROUNDS = 7;
const ROUND_MS = 2_000;
const FOLDER = join(import.meta.dirname, "serve-calls");

const cluster = await startCluster();
const organism = await TestOrganism.create(environmentFor(cluster));

async function must(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await organism.run(...args);
  if (code !== 0) throw new Error(`seedcore ${args.join(" ")} failed: ${stderr}`);
  return stdout;
}

try {
  await must("up");
  const env = { ...process.env, RAY_AUTH_MODE: "token", RAY_AUTH_TOKEN_PATH: cluster.tokenFile };
  const model = spawnSync(cluster.python, [join(FOLDER, "model.py"), cluster.gcsAddress], { encoding: "utf8", env });
  if (model.status !== 0) throw new Error(`The model was not deployed: ${model.stderr}`);
  await must("deploy", FOLDER);

  for (const callers of [1, 16, 64]) {
    const cases = {
      "context.serve() through the shim": async () => {
        const input = JSON.stringify({ callers, durationMs: ROUND_MS });
        const answer = await must("call", "caller.burst", input, "--json");
        return (JSON.parse(answer) as { callsPerSecond: number }).callsPerSecond;
      },
      "Serve's default HTTP proxy": async () => {
        const headers = { "content-type": "application/json" };
        const request = { path: "/no-op", method: "POST", headers, body: '{"number":1}' } as const;
        return (await load({ address: cluster.serveUrl, ...request, callers, durationMs: ROUND_MS })).callsPerSecond;
      },
    };
    const rates = new Map<string, number[]>(Object.keys(cases).map((name) => [name, []]));
    for (let round = -1; round < ROUNDS; round++) {
      for (const [name, run] of Object.entries(cases)) {
        const rate = await run();
        // The first round warms up.
        if (round >= 0) rates.get(name)?.push(rate);
      }
    }
    const [handle = 0, proxy = 0] = [...rates.values()].map((values) => quantile(values, 0.5));
    console.log(
      `${String(callers).padStart(2)} callers: handle ${handle.toFixed(0)}/s, proxy ${proxy.toFixed(0)}/s: ${(handle / proxy).toFixed(2)} ×  (wanted ≥ 2)`,
    );
  }
} finally {
  await organism.destroy();
  await cluster.stop();
}
