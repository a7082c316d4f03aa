/** One two-node cluster for all tests of Ray, from the first file to the last. */
import type { TestProject } from "vitest/node";
import { type ClusterAddress, startCluster } from "./cluster/cluster.ts";

declare module "vitest" {
  export interface ProvidedContext {
    readonly ray: ClusterAddress;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const {
    processes: _,
    startHead: __,
    startWorker: ___,
    startInBackground: ____,
    stop,
    ...address
  } = await startCluster({ workers: 1 });
  project.provide("ray", address);
  return stop;
}
