import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { TestOrganism } from "../../test/app/organism.ts";
import { startCluster, type ThrowAwayCluster } from "../../test/ray/cluster/cluster.ts";
import { environmentFor } from "../../test/ray/ray-organism.ts";

/** A cluster of one node with an organism on it. */
export class RayRig implements AsyncDisposable {
  readonly cluster: ThrowAwayCluster;
  readonly organism: TestOrganism;
  /** What `up` took. */
  readonly startMs: number;

  readonly #env: Readonly<Record<string, string>>;

  private constructor(
    cluster: ThrowAwayCluster,
    organism: TestOrganism,
    startMs: number,
    env: Readonly<Record<string, string>>,
  ) {
    this.#env = env;
    this.cluster = cluster;
    this.organism = organism;
    this.startMs = startMs;
  }

  static async start(env: Record<string, string>): Promise<RayRig> {
    const cluster = await startCluster({ env, serveHost: "127.0.0.1" });
    const organism = await TestOrganism.create({ ...environmentFor(cluster), ML_REPLICAS: "2" });
    const { code, stdout, stderr } = await organism.run("up", "--json");
    if (code === 0) return new RayRig(cluster, organism, (JSON.parse(stdout) as { startMs: number }).startMs, env);
    await organism.destroy();
    await cluster.stop();
    throw new Error(`up on Ray failed: ${stderr}`);
  }

  /** Where the replicas of ml listen, and what opens them. */
  async doorOfMl(): Promise<{ readonly addresses: readonly string[]; readonly token: string }> {
    const { stdout } = await this.organism.run("up", "--json");
    const { urlWithToken, replicas } = JSON.parse(stdout) as {
      urlWithToken: string;
      replicas: readonly { host: string; address: string }[];
    };
    const addresses = replicas.filter(({ host }) => host === "ml").map(({ address }) => address);
    return { addresses, token: new URLSearchParams(new URL(urlWithToken).hash.slice(1)).get("token") ?? "" };
  }

  /** Memory that the Python processes of an application's replicas have for themselves, the largest of them. */
  privateMb(application: RegExp): number {
    const replicas = this.cluster.processes().filter(({ commandLine }) => application.test(commandLine));
    const kilobytes = replicas.map(({ pid }) => {
      const found = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8").matchAll(/^Private_\w+:\s+(\d+) kB/gm);
      return [...found].reduce((sum, [, kb]) => sum + Number(kb), 0);
    });
    return Math.max(...kilobytes) / 1_024;
  }

  /** A Python class that does nothing, as application "noop" at /noop. */
  deployNoOp(): void {
    const { python, gcsAddress, tokenFile } = this.cluster;
    const program = `
import ray
from ray import serve
@serve.deployment(num_replicas=2, max_ongoing_requests=100, ray_actor_options={"num_cpus": 0.1})
class NoOp:
    async def __call__(self, request): return {"ok": True}
ray.init("${gcsAddress}", log_to_driver=False)
serve.run(NoOp.bind(), name="noop", route_prefix="/noop")
`;
    const env = { ...process.env, ...this.#env, RAY_AUTH_MODE: "token", RAY_AUTH_TOKEN_PATH: tokenFile };
    const { status, stderr } = spawnSync(python, ["-c", program], { encoding: "utf8", env });
    if (status !== 0) throw new Error(`The Python no-op was not deployed: ${stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.organism.destroy();
    await this.cluster.stop();
  }
}
