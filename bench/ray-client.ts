/**
 * Ray Client from Node beside Python's own client: the same actor, the same head, taking turns. Needs the Python
 * environment that `npm test` makes.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { systemClock } from "#core/clock.ts";
import { createRay } from "#runtime/ray/ray.ts";
import { startCluster } from "../test/ray/cluster/cluster.ts";
import { quantile } from "./quantile.ts";

const ROUNDS = 5;
const SEQUENTIAL_CALLS = 200;
const PIPELINED_CALLS = 1024;
const IN_FLIGHT = 256;
const payload = Buffer.alloc(100, 7);

interface Figures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly callsPerS: number;
}

interface PythonFigures extends Figures {
  /** With every answer awaited by itself, as Node does it; the other figure fetches all answers of a batch at once. */
  readonly awaitedPerS: number;
}

if (!existsSync(join(import.meta.dirname, "..", ".venv"))) {
  console.error("The Python environment is missing; `npm test` makes it.");
  process.exit(1);
}
const cluster = await startCluster({ serve: false });
const python = spawn(
  cluster.python,
  [
    join(import.meta.dirname, "ray-client.py"),
    cluster.address,
    String(SEQUENTIAL_CALLS),
    String(PIPELINED_CALLS),
    String(IN_FLIGHT),
  ],
  {
    env: { ...process.env, RAY_AUTH_MODE: "token", RAY_AUTH_TOKEN_PATH: cluster.tokenFile },
    stdio: ["pipe", "pipe", "inherit"],
  },
);
const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();

try {
  await lines.next(); // The actor is there.
  const { hostname: host, port } = new URL(cluster.address.replace("ray:", "http:"));
  const endpoint = { host, port: Number(port), token: cluster.token, tls: undefined };
  await using ray = createRay({ endpoint, namespace: "bench" }, { clock: systemClock });
  const echo = await ray.getActor<{ echo(data: Uint8Array): Uint8Array }>("echo");

  const call = () => echo.call("echo", [payload]);
  const measureNode = async (): Promise<Figures> => {
    const times: number[] = [];
    for (let i = 0; i < SEQUENTIAL_CALLS; i++) {
      const startMs = performance.now();
      await call();
      times.push(performance.now() - startMs);
    }
    let left = PIPELINED_CALLS;
    const startMs = performance.now();
    const worker = async () => {
      while (left-- > 0) await call();
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
    const callsPerS = (PIPELINED_CALLS / (performance.now() - startMs)) * 1000;
    return { p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99), callsPerS };
  };
  const measurePython = async (): Promise<PythonFigures> => {
    python.stdin.write("\n");
    return JSON.parse((await lines.next()).value as string) as PythonFigures;
  };

  await measureNode();
  await measurePython();
  const rounds: { readonly node: Figures; readonly python: PythonFigures }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const first = round % 2 === 0 ? await measureNode() : undefined;
    const pythons = await measurePython();
    rounds.push({ node: first ?? (await measureNode()), python: pythons });
  }

  const median = (of: (round: (typeof rounds)[number]) => number) => quantile(rounds.map(of), 0.5);
  const line = (name: string, [p50Ms, p99Ms, callsPerS]: readonly number[], more = "") =>
    console.log(
      `${name.padEnd(21)} one at a time p50 ${p50Ms?.toFixed(1)} ms, p99 ${p99Ms?.toFixed(1)} ms; ` +
        `${IN_FLIGHT} in flight ${callsPerS?.toFixed(0)} calls/s${more}`,
    );
  const figuresOf = (side: "node" | "python") => [
    median((round) => round[side].p50Ms),
    median((round) => round[side].p99Ms),
    median((round) => round[side].callsPerS),
  ];
  const awaited = median((round) => round.python.awaitedPerS).toFixed(0);
  line("SeedCore, Node", figuresOf("node"));
  line("Ray's client, Python", figuresOf("python"), ` fetched as one list, ${awaited} awaited one by one`);
  const ratio = (of: (figures: Figures) => number, ofPython: (figures: PythonFigures) => number = of) =>
    median((round) => of(round.node) / ofPython(round.python)).toFixed(2);
  console.log(
    `Node / Python, median of ${ROUNDS} rounds in turns: p50 ${ratio(({ p50Ms }) => p50Ms)} × (wanted <= 0.8); ` +
      `calls/s ${ratio(({ callsPerS }) => callsPerS)} × of one list (wanted >= 0.7), ` +
      `${ratio(
        ({ callsPerS }) => callsPerS,
        ({ awaitedPerS }) => awaitedPerS,
      )} × of one by one`,
  );
} finally {
  python.stdin.end();
  await once(python, "exit");
  await cluster.stop();
}
