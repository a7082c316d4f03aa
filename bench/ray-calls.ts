/**
 * The data path on Ray, taking turns in one run: a validated call from a typed client straight to a Node host on Ray,
 * the same on one machine's own engine beside it, and a Python no-op behind Ray Serve's proxy, its default one and
 * HAProxy; then the same wrk on both sides. Two replicas each, loopback only. Needs the Python environment that
 * `npm test` makes, and wrk.
 */
import { execFile, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { connect } from "../src/app/connect.ts";
import { TestOrganism } from "../test/app/organism.ts";
import { load } from "./load.ts";
import { quantile } from "./quantile.ts";
import { RayRig } from "./ray-calls/ray-rig.ts";

const ROUNDS = 7;
const ROUND_MS = 2_000;
const CALLERS = 64;

if (process.send === undefined) {
  if (spawnSync("wrk", ["-v"]).error !== undefined) throw new Error("wrk is missing: apt install wrk.");
  await besideOneMachine();
  await besideProxy("default proxy", {}, { client: 25, wrk: 40 });
  await besideProxy("HAProxy", { RAY_SERVE_ENABLE_HA_PROXY: "1" }, { client: 4, wrk: 6 });
} else await callOnRequest();

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

async function callerFor({ environment }: TestOrganism): Promise<() => Promise<number>> {
  const child = fork(import.meta.filename, { env: { ...process.env, ...environment } });
  await once(child, "message");
  // It ends with this process.
  child.unref();
  child.channel?.unref();
  return async () => {
    child.send("go");
    const [rate] = (await once(child, "message")) as [number];
    return rate;
  };
}

async function besideOneMachine(): Promise<void> {
  await using rig = await RayRig.start({});
  const embedded = await TestOrganism.create({ ML_REPLICAS: "2" });
  try {
    await embedded.up();
    const [onMachine, onRay] = await takeTurns({
      "typed client, host on one machine": await callerFor(embedded),
      "typed client, host on Ray": await callerFor(rig.organism),
    });
    console.log(`on Ray / on one machine      ${ratio(onRay, onMachine)} ×  (wanted ≥ .85)`);
    console.log(`seedcore up to ready         ${(rig.startMs / 1_000).toFixed(1)} s  (wanted ≤ 60)\n`);
  } finally {
    await embedded.destroy();
  }
}

async function besideProxy(
  proxy: string,
  env: Record<string, string>,
  wanted: { readonly client: number; readonly wrk: number },
): Promise<void> {
  await using rig = await RayRig.start(env);
  rig.deployNoOp();
  const { serveUrl } = rig.cluster;
  const { addresses, token } = await rig.doorOfMl();
  // wrk knows one address: half of its rounds at each replica.
  let turn = 0;
  const [client, behind, wrkHost, wrkBehind] = await takeTurns({
    "typed client, host on Ray": await callerFor(rig.organism),
    [`Python no-op behind Serve's ${proxy}`]: async () =>
      (await load({ address: serveUrl, path: "/noop", callers: CALLERS, durationMs: ROUND_MS })).callsPerSecond,
    "wrk, host on Ray": () => wrk(`${addresses[turn++ % 2]}/ml/status`, `authorization: Bearer ${token}`),
    [`wrk, Python no-op behind Serve's ${proxy}`]: () => wrk(`${serveUrl}/noop`),
  });
  const [shim, bare] = [rig.privateMb(/^ray::ServeReplica:.*ml@/), rig.privateMb(/^ray::ServeReplica:noop/)];
  console.log(`a shim has ${shim.toFixed(1)} MB for itself, a bare replica ${bare.toFixed(1)} MB  (wanted ≤ 8 more)`);
  console.log(`typed client / ${proxy}    ${ratio(client, behind)} ×  (wanted ≥ ${wanted.client})`);
  console.log(`wrk / wrk on ${proxy}      ${ratio(wrkHost, wrkBehind)} ×  (wanted ≥ ${wanted.wrk})\n`);
}

/** Medians of each, in the order given. */
async function takeTurns(cases: Record<string, () => Promise<number>>): Promise<readonly number[]> {
  const rates = new Map<string, number[]>(Object.keys(cases).map((name) => [name, []]));
  for (let round = -1; round < ROUNDS; round++) {
    for (const [name, run] of Object.entries(cases)) {
      const rate = await run();
      // The first round warms up.
      if (round >= 0) rates.get(name)?.push(rate);
    }
  }
  console.log(`${CALLERS} callers, 2 replicas each, medians of ${ROUNDS} rounds of ${ROUND_MS} ms`);
  for (const [name, values] of rates) console.log(`${name.padEnd(44)} ${quantile(values, 0.5).toFixed(0)} calls/s`);
  return [...rates.values()].map((values) => quantile(values, 0.5));
}

function ratio(ours = 0, theirs = 0): string {
  return (ours / theirs).toFixed(2);
}

/** One thread, as many connections as there are callers elsewhere. */
async function wrk(url: string, ...headers: readonly string[]): Promise<number> {
  const args = ["-t1", `-c${CALLERS}`, `-d${ROUND_MS / 1_000}s`, ...headers.flatMap((header) => ["-H", header]), url];
  const { stdout } = await promisify(execFile)("wrk", args);
  if (/Non-2xx/.test(stdout)) throw new Error(`${url} did not answer with success: ${stdout}`);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
}
