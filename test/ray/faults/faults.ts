/** What may happen to an organism on Ray. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type Fault, type FaultRun, parentOf, PROMISED, type Struck } from "./fault-run.ts";
import { killGateway } from "./gateway-loss.ts";
import { openRay } from "./head-loss.ts";

const FROZEN_MS = 10_000;

/** Kills whatever looks like this on the cluster; no host dies of it. It is back when another looks so, and what it does is done. */
function killLike(name: string, pattern: RegExp, works: (run: FaultRun) => Promise<boolean>): Fault {
  return {
    name,
    async cause(run) {
      const victims = run.pidsLike(pattern);
      if (victims.length === 0) throw new Error(`No process of the cluster is a ${name}.`);
      for (const pid of victims) process.kill(pid, "SIGKILL");
      return { ended: victims };
    },
    isBack: async (run, { ended }) => run.pidsLike(pattern).some((pid) => !ended.includes(pid)) && (await works(run)),
  };
}

/** Back is a registry of another life, which has all leases again: until then clients keep the list of before. */
function killRegistry(): Fault {
  let epoch = "";
  const isAnother = async (run: FaultRun) => {
    const now = run.connection.topology();
    return now.state === "settled" && now.epoch !== epoch;
  };
  const fault = killLike("kill -9 of the registry's worker", /^ray::Registry/, isAnother);
  return {
    ...fault,
    backWithinMs: PROMISED.registryMs,
    cause(run) {
      epoch = run.connection.topology().epoch;
      return fault.cause(run);
    },
  };
}

/** Ray never starts it again; whoever runs the cluster does, by the command of before. */
function killClientServer(): Fault {
  let command: readonly string[] = [];
  const fault = killLike("kill -9 of Ray's client server", /ray\.util\.client\.server/, async (run) => {
    await using ray = openRay(run);
    return (await ray.nodes()).length > 0;
  });
  return {
    ...fault,
    cause(run) {
      const [pid = 0] = run.pidsLike(/ray\.util\.client\.server .*--mode=proxy/);
      command = ["env", "-i", ...wordsOf(pid, "environ"), ...wordsOf(pid, "cmdline")];
      return fault.cause(run);
    },
    repair: (run) => run.cluster.startInBackground(command),
  };
}

function wordsOf(pid: number, file: "environ" | "cmdline"): readonly string[] {
  return readFileSync(`/proc/${pid}/${file}`, "utf8")
    .split("\0")
    .filter((word) => word !== "");
}

/** For so long, and until `status` has told. */
function freeze(): Fault {
  let pid = 0;
  let until: Promise<void> | undefined;
  return {
    name: "SIGSTOP of a host for 10 s (ml, 1 of 2)",
    async cause(run) {
      pid = await run.pidOf("ml");
      process.kill(pid, "SIGSTOP");
      until = sleep(FROZEN_MS);
      return { ended: [], silent: [pid] };
    },
    async repair() {
      await until;
      // Its replica may have been replaced meanwhile.
      try {
        process.kill(pid, "SIGCONT");
      } catch {}
    },
  };
}

async function kill(pid: number): Promise<Struck> {
  process.kill(pid, "SIGKILL");
  return { ended: [pid] };
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
      return { ended: [host, python] };
    },
  },
  killRegistry(),
  killClientServer(),
  killLike("kill -9 of Serve's controller", /^ray::ServeController/, (run) => run.isServing()),
  killLike("kill -9 of Serve's proxy", /^ray::ProxyActor/, (run) => run.hasRoute()),
  killGateway(),
  freeze(),
  {
    name: "kill -9 of a raylet (the node beside the head)",
    async cause(run) {
      const [, node = ""] = run.cluster.nodes;
      const hosts = await hostsOn(run, node);
      const raylets = run.rayletsOf(node);
      if (raylets.length !== 1) throw new Error(`${node} has ${raylets.length} raylets.`);
      for (const pid of raylets) process.kill(pid, "SIGKILL");
      return { ended: [...raylets, ...hosts] };
    },
    repair: (run) => run.cluster.startWorker(1),
  },
];

async function hostsOn(run: FaultRun, node: string): Promise<readonly number[]> {
  const replicas = (await run.hosts()).flatMap((host) => host.replicas);
  return replicas.flatMap((one) => (one.node === node && one.pid !== null ? [one.pid] : []));
}
