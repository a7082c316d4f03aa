/** `npm run faults`: does every fault to an organism on Ray, under load, and prints what it cost (docs/reliability.md). */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { FaultRun } from "./fault-run.ts";
import { FAULTS } from "./faults.ts";
import type { Travelled } from "./members.ts";
import { failureOf, killHead, openRay, silenceHead, startAgain } from "./head-loss.ts";

const { values } = parseArgs({ options: { only: { type: "string", default: "" } } });
const ms = (value: number) => (Number.isFinite(value) ? `${Math.round(value)} ms` : "none sent");
const s = (valueMs: number) => `${(valueMs / 1_000).toFixed(1)} s`;

function travelOf({ changes, toClientMs, toHostsMs, outMs }: Travelled): string {
  const time = (value: number) => (Number.isFinite(value) ? ms(value) : "never");
  const columns = changes === 0 ? ["–", "–"] : [time(toClientMs), time(toHostsMs)];
  return [outMs === undefined ? "–" : s(outMs), changes, ...columns].join(" | ");
}

/** The last: what is not on the head goes on, and what needs it says so. */
async function loseHead(): Promise<void> {
  await run.untilWhole();
  await using ray = openRay(run);
  await using another = openRay(run);
  await ray.nodes();
  const answerAgain = silenceHead(run);
  await tell("A silent head", [
    ["a session that was open, with a deadline of 2 s", () => ray.nodes({ deadlineMs: 2_000 })],
    ["a session that was not", () => another.nodes()],
  ]);
  answerAgain();
  await run.untilWhole();

  await ray.nodes();
  const underWay = await ray.task<(seconds: number) => null>("time:sleep").start([600]);
  const broken = tell("A dead head", [["a call that was under way", () => ray.get(underWay)]]);
  const from = run.load.calls.length;
  killHead(run);
  await broken;
  await tell("A dead head", [
    ["nodes()", () => ray.nodes()],
    ["a key of its store", () => ray.store.get("x")],
  ]);
  await sleep(10_000);
  const calls = run.load.calls.slice(from);
  const failed = calls.filter(({ failure }) => failure !== undefined).length;
  console.log(`Of ${calls.length} calls to ml, 1 of 2 copies on the head, ${failed} failed since it was killed.`);

  const atMs = performance.now();
  await startAgain(run);
  const upAtMs = performance.now();
  await run.organism.up();
  await run.untilWhole();
  console.log(`Head and node started in ${s(upAtMs - atMs)}, organism up after ${s(performance.now() - upAtMs)} more.`);
}

async function tell(what: string, calls: readonly (readonly [string, () => Promise<unknown>])[]): Promise<void> {
  for (const [name, call] of calls) {
    const { code, tookMs } = await failureOf(call);
    console.log(`${what}: ${name} fails with ${code} after ${ms(tookMs)}.`);
  }
}

const run = await FaultRun.start();
const notes: string[] = [];
console.log(
  "| fault | calls | attempts in its 2 s | failed | p99 before | p99 in its second | last slow call | out of a client's list | changes | to a client | to a host | `status` tells | whole again | orphans |",
);
console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
try {
  for (const fault of FAULTS.filter(({ name }) => name.includes(values.only))) {
    const r = await run.suffer(fault);
    console.log(
      `| ${fault.name} | ${r.offered} | ${(r.inWindow.attempts / r.inWindow.offered).toFixed(2)} × | ${r.failed.length} | ${ms(r.p99BeforeMs)} | ${ms(r.p99Ms)} | ${s(r.recoveredMs)} | ${travelOf(r.travelled)} | ${r.toldMs === undefined ? "–" : s(r.toldMs)} | ${s(r.healedMs)} | ${r.orphans.length} |`,
    );
    for (const way of r.ways) {
      const { length } = way.failed;
      notes.push(
        `${fault.name}, ${way.name}: ${length} of ${way.calls.length} failed, the last after ${s(way.recoveredMs)}.`,
      );
    }
    for (const failure of new Set(r.failed.map((call) => call.failure))) console.error(`  ${fault.name}: ${failure}`);
  }
  for (const note of notes) console.log(note);
  if (values.only === "") await loseHead();
} finally {
  await run.close();
}
