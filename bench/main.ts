/**
 * Runs the benches one after another, each in a process of its own: `npm run bench` for all, `npm run bench -- points
 * nab` for some; with `--save` what they print replaces their sections of bench/RESULTS.md.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";

/** Name of the file and what it answers. */
const BENCHES = {
  start: "start to ready, idle cost, status, recovery after kill -9",
  points: "points from watch to disk, bytes a point, push to incident",
  tasks: "durable tasks per second",
  gateway: "gateway and host beside bare fastify and a plain proxy",
  "host-calls": "calls through one host",
  page: "what the page weighs, its first paint, and how far it is behind",
  storage: "durable writes per second",
  decision: "from the point that crosses to the decision",
  recall: "like cases of ten thousand, as state answers",
  nab: "the detector on the Numenta Anomaly Benchmark's five groups",
  valve: "the valve's realised run lengths, delays and speed",
  pickle: "Python's pickles: speed beside JSON, cost of malicious ones",
  "ray-client": "Ray Client from Node beside Python's own",
  "point-block": "bytes and speed of the block codec",
  "ray-calls": "calls to Node hosts on Ray, beside one machine and beside Serve's proxy",
  "serve-calls": "a Python deployment called from a service, beside Serve's proxy",
} as const;

const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const unknown = wanted.filter((name) => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0) {
  console.error(`There is no bench "${unknown.join(", ")}". There are: ${Object.keys(BENCHES).join(", ")}.`);
  process.exit(2);
}

const sections = new Map<string, string>();
let failed = 0;
for (const [name, question] of Object.entries(BENCHES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n== ${name}: ${question}`);
  const { stdout, status } = spawnSync(process.execPath, [join(import.meta.dirname, `${name}.ts`)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 64 * 1024 * 1024,
  });
  process.stdout.write(stdout);
  // Half a run must not replace a whole one.
  if (status !== 0) {
    failed++;
    continue;
  }
  sections.set(
    name,
    `## ${name}: ${question}\n\n\`npm run bench -- ${name}\`, ${today()}\n\n\`\`\`text\n${stdout.trim()}\n\`\`\`\n`,
  );
}

if (process.argv.includes("--save")) {
  const file = join(import.meta.dirname, "RESULTS.md");
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
  const head = `# Results\n\nMade by \`npm run bench -- --save\` on ${machine}, shared and noisy: read the ratios.\nAll load goes to loopback addresses of this machine.\n`;
  const kept = sectionsOf(readFileSync(file, "utf8"));
  const all = Object.keys(BENCHES).flatMap((name) => sections.get(name) ?? kept.get(name) ?? []);
  writeFileSync(file, [head, ...all].join("\n"));
}
process.exit(failed === 0 ? 0 : 1);

/** What an earlier run has saved, by bench. */
function sectionsOf(saved: string): Map<string, string> {
  const parts = saved.split(/^(?=## )/m).slice(1);
  return new Map(parts.map((part) => [/^## ([\w-]+)/.exec(part)?.[1] ?? "", `${part.trimEnd()}\n`]));
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}
