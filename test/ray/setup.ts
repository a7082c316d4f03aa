/** One two-node cluster for all tests of Ray, from the first file to the last. */
import type { TestProject } from "vitest/node";
import { findServer, NO_SERVER } from "../postgres/server.ts";
import { type ClusterAddress, startCluster } from "./cluster/cluster.ts";

declare module "vitest" {
  export interface ProvidedContext {
    readonly ray: ClusterAddress;
    /** Whether organisms can be brought up on it. */
    readonly hasPostgres: boolean;
  }
}

const { CI = "" } = process.env;

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const hasPostgres = (await findServer()) !== undefined;
  if (!hasPostgres) {
    if (CI !== "") throw new Error(`${NO_SERVER} CI must have one.`);
    console.warn(`${NO_SERVER} What brings an organism up on Ray is skipped; the rest of the tests of Ray runs.`);
  }
  project.provide("hasPostgres", hasPostgres);
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
