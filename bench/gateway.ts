/**
 * What the gateway costs, side by side in one run: its own ping against a bare fastify route with the same token check,
 * and a validated call through it against the same call straight to the host and through a plain undici-pool proxy.
 * Ratios are medians over alternating rounds: `scripts/run.sh bench/gateway.ts [rounds] [ms per round]`.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createKeyPair } from "#runtime/auth/key-pair.ts";
import { audienceOf, mintToken } from "#runtime/auth/token.ts";
import type { ServerSettings } from "./gateway-servers.ts";
import { type LoadOptions, load, median } from "./load.ts";

const ROUNDS = Number(process.argv[2] ?? 9);
const ROUND_MS = Number(process.argv[3] ?? 1_000);

interface Server {
  readonly child: ChildProcess;
  readonly address: string;
}

const pair = createKeyPair();
const token = await mintToken(pair.privateJwk, {
  subject: "bench",
  scopes: ["read", "operate"],
  namespace: "bench",
  ttlMs: 3_600_000,
});
console.log(`tokens for ${audienceOf("bench")}; ${ROUNDS} rounds of ${ROUND_MS} ms each, 16 callers`);

const host = await start("host");
const bare = await start("bare");
const gateway = await start("gateway", host.address);
const proxy = await start("proxy", host.address);

const authorization = `Bearer ${token}`;
const ping = { path: "/-/ping", headers: { authorization } };
const call = {
  path: "/echo/rooms/hall/words",
  method: "POST" as const,
  headers: { authorization, "content-type": "application/json", "x-seedcore-deadline-ms": "5000" },
  body: '{"text":"the quick brown fox","times":3}',
};
const cases: Readonly<Record<string, { server: Server; request: Omit<LoadOptions, "address" | "durationMs"> }>> = {
  "ping, bare fastify": { server: bare, request: ping },
  "ping, gateway": { server: gateway, request: ping },
  "call, host directly": { server: host, request: call },
  "call, through gateway": { server: gateway, request: call },
  "call, through plain proxy": { server: proxy, request: call },
};

const rates = new Map<string, number[]>(Object.keys(cases).map((name) => [name, []]));
const cpuUs = new Map<string, number[]>(Object.keys(cases).map((name) => [name, []]));
for (let round = -1; round < ROUNDS; round++) {
  for (const [name, { server, request }] of Object.entries(cases)) {
    const before = await cpuOf(server);
    const result = await load({ ...request, address: server.address, durationMs: ROUND_MS });
    const used = (await cpuOf(server)) - before;
    // The first round warms up.
    if (round < 0) continue;
    rates.get(name)?.push(result.callsPerSecond);
    cpuUs.get(name)?.push(used / result.calls);
  }
}
for (const name of Object.keys(cases)) {
  const perCallUs = median(cpuUs.get(name) ?? []).toFixed(1);
  console.log(
    `${name.padEnd(26)} ${String(Math.round(rate(name))).padStart(6)} calls/s   ${perCallUs} us of its processor a call`,
  );
}
verdict("ping: gateway / bare fastify", rate("ping, gateway") / rate("ping, bare fastify"), 0.8);
verdict("call: through gateway / host directly", rate("call, through gateway") / rate("call, host directly"), 0.3);
verdict(
  "call: through gateway / through plain proxy",
  rate("call, through gateway") / rate("call, through plain proxy"),
);
for (const { child } of [host, bare, gateway, proxy]) child.kill();

function rate(name: string): number {
  return median(rates.get(name) ?? []);
}

function verdict(what: string, ratio: number, wanted?: number): void {
  const goal = wanted === undefined ? "" : `  (wanted: at least ${wanted}: ${ratio >= wanted ? "met" : "MISSED"})`;
  console.log(`${what.padEnd(46)} ${ratio.toFixed(2)}${goal}`);
}

async function start(role: ServerSettings["role"], hostAddress = ""): Promise<Server> {
  const child = fork(`${import.meta.dirname}/gateway-servers.ts`);
  child.send({ role, publicKey: pair.publicJwk, token, hostAddress } satisfies ServerSettings);
  const [address] = (await once(child, "message")) as [string];
  return { child, address };
}

async function cpuOf({ child }: Server): Promise<number> {
  child.send("cpu");
  const [{ user, system }] = (await once(child, "message")) as [NodeJS.CpuUsage];
  return user + system;
}
