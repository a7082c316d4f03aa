/** Starts a cluster, says what it started, and waits to be killed. */
import { startCluster } from "./cluster.ts";

const cluster = await startCluster({ serve: false });
console.log(JSON.stringify({ tokenFile: cluster.tokenFile, pids: cluster.processes().map(({ pid }) => pid) }));
setInterval(() => {}, 60_000);
