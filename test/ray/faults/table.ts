/** `npm run faults`: does every fault to an organism on Ray, under load, and prints what it cost (docs/reliability.md). */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { FaultRun } from "./fault-run.ts";
import { FAULTS } from "./faults.ts";
import { failureOf, killHead, openRay } from "./head-loss.ts";

const { values } = parseArgs({ options: { only: { type: "string", default: "" } } });
const ms = (value: number) => (Number.isFinite(value) ? `${Math.round(value)} ms` : "none sent");
const s = (valueMs: number) => `${(valueMs / 1_000).toFixed(1)} s`;

/** The last: what is not on the head goes on, and what needs it says so. */
async function loseHead(): Promise<void> {
  await run.untilWhole();
  await using ray = openRay(run);
  killHead(run);
  const from = run.load.calls.length;
  await sleep(1_000);
  for (const [name, call] of [
    ["nodes()", () => ray.nodes()],
    ["a key of its store", () => ray.store.get("x")],
  ] as const) {
    const { code, tookMs } = await failureOf(call);
    console.log(`Without a head, asking for ${name} fails with ${code} after ${ms(tookMs)}.`);
  }
  await sleep(10_000);
  const calls = run.load.calls.slice(from);
  const failed = calls.filter(({ failure }) => failure !== undefined).length;
  console.log(`Of ${calls.length} calls to ml, 1 of 2 copies on the head, ${failed} failed since it was killed.`);
}

const run = await FaultRun.start();
console.log(
  "| fault | calls | attempts | failed | p99 before | p99 in its second | data path as before | status tells | whole again | orphans |",
);
console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
try {
  for (const fault of FAULTS.filter(({ name }) => name.includes(values.only))) {
    const r = await run.suffer(fault);
    console.log(
      `| ${fault.name} | ${r.offered} | ${(r.attempts / r.offered).toFixed(2)} × | ${r.failed.length} | ${ms(r.p99BeforeMs)} | ${ms(r.p99Ms)} | ${s(r.recoveredMs)} | ${s(r.toldMs)} | ${s(r.healedMs)} | ${r.orphans.length} |`,
    );
    for (const failure of new Set(r.failed.map((call) => call.failure))) console.error(`  ${fault.name}: ${failure}`);
  }
  if (values.only === "") await loseHead();
} finally {
  await run.close();
}
