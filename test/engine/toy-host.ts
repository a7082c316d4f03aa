/** A host with one service, `toy`, in the fewest lines that obey the control channel: what the engine's tests deploy. */
import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import type { FromHost, HostAssignment, ToHost } from "#runtime/host/control.ts";

const parent = createWriteStream("", { fd: 3 });
const tell = (message: FromHost) => parent.write(`${JSON.stringify(message)}\n`);
let assignment: HostAssignment | undefined;
let topologies = 0;
let draining = false;
let inFlight = 0;
const counts = { OK: 0, INTERNAL: 0 };
const metrics = () =>
  Object.entries(counts)
    .map(([code, count]) => `seedcore_calls_total{service="toy",procedure="who",code="${code}"} ${count}\n`)
    .join("");

const server = createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://toy");
  if (url.pathname === "/-/health") return void response.end();
  if (url.pathname === "/-/metrics") return void response.end(metrics());
  if (draining) return void response.writeHead(503, { connection: "close" }).end("DRAINING");
  inFlight++;
  response.on("close", () => {
    inFlight--;
    if (draining && inFlight === 0) leave();
  });
  const answer = () => {
    // TOY_ERRORS: of ten calls, how many fail.
    if ((counts.OK + counts.INTERNAL) % 10 < Number(process.env.TOY_ERRORS ?? 0)) {
      counts.INTERNAL++;
      return response.writeHead(500).end("INTERNAL");
    }
    counts.OK++;
    return response.end(
      JSON.stringify({ replica: assignment?.replicaId, pid: process.pid, color: process.env.COLOR, topologies }),
    );
  };
  switch (url.pathname) {
    case "/toy/slow":
      return void setTimeout(answer, Number(url.searchParams.get("ms")));
    case "/toy/grandchild": {
      const child = spawn("sleep", ["1000"], { detached: url.searchParams.has("session"), stdio: "ignore" });
      return void response.end(JSON.stringify({ pid: child.pid }));
    }
    case "/toy/desired":
      tell({ type: "desired-changed" });
      return void answer();
    default:
      return void answer();
  }
});

function leave(): void {
  tell({ type: "drained" });
  parent.end(() => process.exit(0));
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const message = JSON.parse(line) as ToHost;
    if (message.type === "assign") {
      assignment = message.assignment;
      if (process.env.TOY_FAIL !== undefined) {
        tell({ type: "failed", message: process.env.TOY_FAIL });
        parent.end(() => process.exit(1));
        return;
      }
      server.listen(
        { port: assignment.spec.port, host: assignment.bindAddress, reusePort: assignment.spec.port !== 0 },
        () => {
          const address = server.address();
          tell({
            type: "listening",
            address: `http://${assignment?.bindAddress}:${typeof address === "object" ? address?.port : ""}`,
          });
          tell({ type: "ready" });
        },
      );
    } else if (message.type === "topology") topologies++;
    else if (message.type === "drain") {
      draining = true;
      server.close();
      server.closeIdleConnections();
      if (inFlight === 0) leave();
    }
  })
  .on("close", () => process.kill(-process.pid, "SIGKILL"));
tell({ type: "loaded" });
