// Speaks the control channel as a host does, and misbehaves as `config.fake` asks.
import { spawn } from "node:child_process";
import { writeSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const say = (message) => writeSync(3, `${JSON.stringify(message)}\n`);
const note = (message, fields = {}, level = "info") =>
  console.log(JSON.stringify({ level, time: "now", ...fields, msg: message }));

if (process.env.FAKE_THROWS) throw new TypeError(process.env.FAKE_THROWS);
if (process.env.FAKE_EXITS) process.exit(Number(process.env.FAKE_EXITS));

let assignment;
let server;
const handlers = {
  assign(message) {
    assignment = message.assignment;
    const { fake = {} } = assignment.config;
    note("assigned", { argv: process.execArgv, env: Object.keys(process.env) });
    if (fake.fails) {
      say({ type: "failed", message: fake.fails });
      process.exit(1);
    }
    if (fake.complains) {
      note("the host cannot start", { error: { message: fake.complains } }, "error");
      process.exit(1);
    }
    if (fake.waitsFor) {
      say({ type: "waiting", for: fake.waitsFor });
      console.log("waiting for the licence server");
    }
    if (fake.neverListens) return;
    if (fake.grandchild) note("started", { grandchild: spawn("sleep", ["1000"]).pid });
    const { port } = assignment.spec;
    // As real hosts do, so that a fixed port may be shared.
    const where = { port, host: fake.listensOn ?? assignment.bindAddress, reusePort: port !== 0 };
    server = createServer(answer).listen(where, () => {
      say({ type: "listening", address: `http://${assignment.bindAddress}:${server.address().port}` });
      if (fake.neverReady) say({ type: "not-ready", reason: fake.neverReady });
      else say({ type: "ready" });
    });
    console.error("a line that is no JSON");
    note("with ids", { traceId: "0af7", spanId: "b7ad", correlationId: "c-1" }, "warn");
  },
  drain(message) {
    note("told to drain", message);
    if (assignment.config.fake?.neverDrains) return;
    say({ type: "drained" });
    process.exit(0);
  },
};

function answer(request, response) {
  if (request.url === "/-/health") return response.end();
  if (request.url === "/-/metrics") return response.end(`token ${request.headers.authorization}`);
  if (request.url === "/stream") {
    note("stream opened");
    response.writeHead(200, { "content-type": "text/event-stream" });
    const timer = setInterval(() => response.write("data: tick\n\n"), 5);
    response.on("close", () => {
      clearInterval(timer);
      note("stream closed");
    });
    return;
  }
  if (request.url === "/block") {
    response.end();
    for (;;);
  }
  let body = "";
  request.on("data", (chunk) => (body += chunk));
  request.on("end", () => {
    const { method, url, headers } = request;
    response.writeHead(url === "/refused" ? 409 : 200, { "content-type": "application/json", "x-two": ["a", "b"] });
    response.end(JSON.stringify({ method, url, headers, body, assignment }));
  });
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const message = JSON.parse(line);
  if (handlers[message.type]) handlers[message.type](message);
  else note(`got ${message.type}`, message);
});
lines.on("close", () => process.kill(-process.pid, "SIGKILL"));
say({ type: "loaded" });
