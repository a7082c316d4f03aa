/**
 * Every fault to an organism on Ray, by doing it, under constant load of idempotent calls. How long it took is measured by
 * `npm run faults`: here only what takes several times as long as is promised fails.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, vi } from "vitest";
import { FAULTS } from "./faults/faults.ts";
import { FaultRun, PROMISED } from "./faults/fault-run.ts";
import { failureOf, killHead, openRay, silenceHead, startAgain } from "./faults/head-loss.ts";
import { isAlive } from "./ray-organism.ts";
import { it } from "./with-postgres.ts";

let run: FaultRun;
beforeAll(async () => {
  run = await FaultRun.start();
});
afterAll(async () => {
  await run.close();
});

it.each(FAULTS)("$name: no call fails, status tells, all comes back, no process stays", async (fault) => {
  const result = await run.suffer(fault);
  const { offered, attempts, inWindow, failed, slow, dropped, travelled, orphans } = result;
  expect(offered).toBeGreaterThan(100);
  expect(failed).toEqual([]);
  // Else the requests are not those that are counted.
  expect(attempts).toBeGreaterThan(0.9 * offered);
  expect(attempts).toBeLessThan(1.5 * offered);
  expect(inWindow.attempts).toBeLessThan(1.5 * inWindow.offered);
  // Who went on asking the one that does not answer would be slow with every second call.
  expect(slow).toBeLessThan(offered / 10);
  expect(dropped).toEqual([]);
  expect(travelled.unheard).toEqual([]);
  expect(orphans).toEqual([]);
  for (const way of result.ways) {
    expect(way.calls.length, way.name).toBeGreaterThan(50);
    if (way.loses === "nothing") expect(way.failed, way.name).toEqual([]);
    expect(way.calls.at(-1)?.failure, way.name).toBeUndefined();
  }
  expect(result.disturbedMs).toBeLessThanOrEqual(3 * PROMISED.recoveredMs);
  // Who missed it hears of it with the next long poll, 20 s later.
  expect(Math.max(travelled.toClientMs, travelled.toHostsMs)).toBeLessThan(5 * PROMISED.travelMs);
  if (fault.backWithinMs !== undefined) expect(result.healedMs).toBeLessThan(3 * fault.backWithinMs);
});

it("a head that is silent: calls go on, control fails typed at its deadline and works again when it answers", async () => {
  await run.untilWhole();
  const { calls } = run.load;
  await using ray = openRay(run);
  await using another = openRay(run);
  await ray.nodes();

  const sent = calls.length;
  const answerAgain = silenceHead(run);
  try {
    for (const control of [() => ray.nodes({ deadlineMs: 1_000 }), () => ray.store.get("x", { deadlineMs: 1_000 })]) {
      expect((await failureOf(control)).code).toBe("DEADLINE");
    }
    // Where no session is open it is known to be silent long before the 20 s that the call may take.
    const { code, tookMs } = await failureOf(() => another.nodes());
    expect(code).toBe("DEADLINE");
    expect(tookMs).toBeLessThan(10_000);
  } finally {
    answerAgain();
  }
  const since = calls.slice(sent);
  expect(since.length).toBeGreaterThan(20);
  expect(since.filter(({ failure }) => failure !== undefined)).toEqual([]);
  for (const handle of [ray, another]) {
    const isBack = async () => expect((await handle.nodes()).filter(({ alive }) => alive)).toHaveLength(2);
    await vi.waitFor(isBack, { timeout: 60_000, interval: 500 });
  }
});

it("a head that dies: calls go on to the other node, control fails typed, and all comes back with it and another `up`", async () => {
  await run.untilWhole();
  const { calls } = run.load;
  await using ray = openRay(run);
  const [head = ""] = run.cluster.nodes;
  const before = (await run.hosts()).flatMap(({ replicas }) => replicas);
  const underWay = await ray.task<(seconds: number) => null>("time:sleep").start([600]);
  expect(ray.state).toBe("open");
  const broken = failureOf(() => ray.get(underWay, { deadlineMs: 60_000 }));

  const sent = calls.length;
  killHead(run);
  // Each may take 20 s, and none waits for that: an open connection ends, another is refused.
  expect((await broken).code).toMatch(/^(UNAVAILABLE|CONNECTION_LOST)$/);
  for (const control of [() => ray.nodes(), () => ray.store.get("x")]) {
    expect((await failureOf(control)).code).toMatch(/^(UNAVAILABLE|CONNECTION_LOST)$/);
  }
  const left = () => before.filter(({ node, pid }) => node === head && pid !== null && isAlive(pid));
  await vi.waitFor(() => expect(left()).toEqual([]), { timeout: 30_000 });
  await sleep(5_000);
  const since = calls.slice(sent);
  expect(since.length).toBeGreaterThan(20);
  expect(since.filter(({ failure }) => failure !== undefined)).toEqual([]);

  await startAgain(run);
  // The handle that failed before works again.
  expect((await ray.nodes()).some(({ alive }) => alive)).toBe(true);

  // This head knows neither the hosts nor the key that their tokens were signed with: whoever was connected finds both.
  await run.organism.up();
  await run.untilWhole();
  const again = calls.length;
  await vi.waitFor(() => expect(calls.length - again).toBeGreaterThan(100), { timeout: 30_000 });
  expect(calls.slice(again).filter(({ failure }) => failure !== undefined)).toEqual([]);
});
