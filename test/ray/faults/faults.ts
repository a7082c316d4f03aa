/** What may happen to an organism on Ray. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Fault, type FaultRun, parentOf } from "./fault-run.ts";

const FROZEN_MS = 10_000;

/** Kills whatever looks like this on the cluster; no host dies of it. */
function killLike(name: string, pattern: RegExp): Fault {
  return {
    name,
    async cause(run) {
      const victims = run.pidsLike(pattern);
      if (victims.length === 0) throw new Error(`No process of the cluster is a ${name}.`);
      for (const pid of victims) process.kill(pid, "SIGKILL");
      return [];
    },
  };
}

async function kill(pid: number): Promise<readonly number[]> {
  process.kill(pid, "SIGKILL");
  return [pid];
}

/** In an order in which the cluster heals before the next. */
export const FAULTS: readonly Fault[] = [
  { name: "kill -9 of a Node host (ml, 1 of 2)", cause: async (run) => kill(await run.pidOf("ml")) },
  {
    name: "kill -9 of a replica's Python (ml, 1 of 2)",
    async cause(run) {
      const host = await run.pidOf("ml");
      const python = parentOf(host);
      process.kill(python, "SIGKILL");
      return [host, python];
    },
  },
  killLike("kill -9 of the registry's worker", /^ray::Registry/),
  killLike("kill -9 of Ray's client server", /ray\.util\.client\.server/),
  killLike("kill -9 of Serve's controller", /^ray::ServeController/),
  killLike("kill -9 of Serve's proxy", /^ray::ProxyActor/),
  { name: "kill -9 of a gateway (1 of 2)", cause: async (run) => kill(await run.pidOf("gateway")) },
  {
    name: "SIGSTOP of a host for 10 s (ml, 1 of 2)",
    async cause(run) {
      const pid = await run.pidOf("ml");
      process.kill(pid, "SIGSTOP");
      void sleep(FROZEN_MS).then(() => {
        // Its replica may have been replaced meanwhile.
        try {
          process.kill(pid, "SIGCONT");
        } catch {}
      });
      return [];
    },
  },
  {
    name: "kill -9 of a raylet (the node beside the head)",
    async cause(run) {
      const [, node = ""] = run.cluster.nodes;
      const hosts = await hostsOn(run, node);
      const raylets = run.pidsLike(new RegExp(`raylet/raylet .*--node_ip_address=${node.replaceAll(".", "\\.")}\\b`));
      if (raylets.length !== 1) throw new Error(`${node} has ${raylets.length} raylets.`);
      for (const pid of raylets) process.kill(pid, "SIGKILL");
      return [...raylets, ...hosts];
    },
    repair: (run) => run.cluster.startWorker(1),
  },
];

async function hostsOn(run: FaultRun, node: string): Promise<readonly number[]> {
  const replicas = (await run.hosts()).flatMap((host) => host.replicas);
  return replicas.flatMap((one) => (one.node === node && one.pid !== null ? [one.pid] : []));
}
