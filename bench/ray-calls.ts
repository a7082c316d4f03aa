/**
 * The data path on Ray, taking turns in one run: a validated call from a typed client straight to a Node host on Ray,
 * the same on one machine's own engine beside it, and a Python no-op behind Ray Serve's default proxy. Two replicas
 * each. Needs the Python environment that `npm test` makes.
 */
import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "../src/app/connect.ts";
import { TestOrganism } from "../test/app/organism.ts";
import { startCluster } from "../test/ray/cluster/cluster.ts";
import { load } from "./load.ts";
import { quantile } from "./quantile.ts";

const ROUNDS = 7;
const ROUND_MS = 2_000;
const CALLERS = 64;

if (process.send === undefined) await measure();
else await callOnRequest();

/** One process holds one connection, so each organism has a caller of its own. */
async function callOnRequest(): Promise<void> {
  const connection = await connect();
  const ml = connection.getServiceClient("ml");
  process.on("message", async () => {
    let calls = 0;
    const endAtMs = performance.now() + ROUND_MS;
    const caller = async () => {
      for (; performance.now() < endAtMs; calls++) await ml.status({});
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
    process.send?.(calls / (ROUND_MS / 1_000));
  });
  process.send?.("ready");
}

async function measure(): Promise<void> {
  const cluster = await startCluster();
  const embedded = await TestOrganism.create();
  const onRay = await TestOrganism.create();
  const children: ChildProcess[] = [];
  try {
    Object.assign(onRay.environment, { RAY_ADDRESS: cluster.address, RAY_AUTH_TOKEN: cluster.token, ML_REPLICAS: "2" });
    Object.assign(embedded.environment, { ML_REPLICAS: "2" });
    await embedded.up();
    const up = await onRay.run("up", "--json");
    if (up.code !== 0) throw new Error(`up on Ray failed: ${up.stderr}`);
    const { startMs } = JSON.parse(up.stdout) as { startMs: number };
    deployNoOp(cluster);

    const caller = async (organism: TestOrganism) => {
      const child = fork(import.meta.filename, { env: { ...process.env, ...organism.environment } });
      children.push(child);
      await once(child, "message");
      return async () => {
        child.send("go");
        const [rate] = (await once(child, "message")) as [number];
        return rate;
      };
    };
    const cases = {
      "typed client, host on one machine": await caller(embedded),
      "typed client, host on Ray": await caller(onRay),
      "Python no-op behind Serve's proxy": async () =>
        (await load({ address: cluster.serveUrl, path: "/noop", callers: CALLERS, durationMs: ROUND_MS }))
          .callsPerSecond,
    };
    const rates = new Map<string, number[]>(Object.keys(cases).map((name) => [name, []]));
    for (let round = -1; round < ROUNDS; round++) {
      for (const [name, run] of Object.entries(cases)) {
        const rate = await run();
        // The first round warms up.
        if (round >= 0) rates.get(name)?.push(rate);
      }
    }
    const [machine = 0, ray = 0, proxy = 0] = [...rates.values()].map((values) => quantile(values, 0.5));
    console.log(`${CALLERS} callers, 2 replicas each, medians of ${ROUNDS} rounds of ${ROUND_MS} ms`);
    for (const [name, values] of rates) console.log(`${name.padEnd(36)} ${quantile(values, 0.5).toFixed(0)} calls/s`);
    console.log(`on Ray / on one machine    ${(ray / machine).toFixed(2)} ×  (wanted ≥ .85)`);
    console.log(`on Ray / Serve's proxy     ${(ray / proxy).toFixed(1)} ×  (wanted ≥ 25)`);
    console.log(`seedcore up to ready       ${(startMs / 1_000).toFixed(1)} s  (wanted ≤ 60)`);
  } finally {
    for (const child of children) child.kill();
    await Promise.all([embedded.destroy(), onRay.destroy()]);
    await cluster.stop();
  }
}

function deployNoOp({ python, gcsAddress, tokenFile }: Awaited<ReturnType<typeof startCluster>>): void {
  const program = `
import ray
from ray import serve
@serve.deployment(num_replicas=2, max_ongoing_requests=100, ray_actor_options={"num_cpus": 0.1})
class NoOp:
    async def __call__(self, request): return {"ok": True}
ray.init("${gcsAddress}", log_to_driver=False)
serve.run(NoOp.bind(), name="noop", route_prefix="/noop")
`;
  const env = { ...process.env, RAY_AUTH_MODE: "token", RAY_AUTH_TOKEN_PATH: tokenFile };
  const { status, stderr } = spawnSync(python, ["-c", program], { encoding: "utf8", env });
  if (status !== 0) throw new Error(`The Python no-op was not deployed: ${stderr}`);
}
