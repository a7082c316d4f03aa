/** Every fault to an organism on Ray, by doing it, under constant load of idempotent calls; never how long it took. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { FAULTS } from "./faults/faults.ts";
import { FaultRun } from "./faults/fault-run.ts";
import { failureOf, killHead, openRay } from "./faults/head-loss.ts";
import { isAlive } from "./ray-organism.ts";

let run: FaultRun;
beforeAll(async () => {
  run = await FaultRun.start();
});
afterAll(async () => {
  await run.close();
});

it.each(FAULTS)("$name: no call fails, status tells, all comes back, no process stays", async (fault) => {
  const { offered, attempts, failed, orphans } = await run.suffer(fault);
  expect(offered).toBeGreaterThan(100);
  expect(failed).toEqual([]);
  expect(attempts).toBeLessThan(1.5 * offered);
  expect(orphans).toEqual([]);
});

it("a head that dies: calls go on to the other node, control fails typed and works again when it is back", async () => {
  await run.untilWhole();
  const { calls } = run.load;
  await using ray = openRay(run);
  const [head = ""] = run.cluster.nodes;
  const before = (await run.hosts()).flatMap(({ replicas }) => replicas);

  killHead(run);
  const left = () => before.filter(({ node, pid }) => node === head && pid !== null && isAlive(pid));
  await vi.waitFor(() => expect(left()).toEqual([]), { timeout: 30_000 });
  const sent = calls.length;
  for (const control of [() => ray.nodes(), () => ray.store.get("x")]) {
    expect((await failureOf(control)).code).toMatch(/^(UNAVAILABLE|CONNECTION_LOST)$/);
  }
  await sleep(5_000);
  const since = calls.slice(sent);
  expect(since.length).toBeGreaterThan(20);
  expect(since.filter(({ failure }) => failure !== undefined)).toEqual([]);

  await run.cluster.startHead();
  // Its client server comes some seconds after it; the handle that failed before works again.
  const isBack = async () => expect((await ray.nodes()).some(({ alive }) => alive)).toBe(true);
  await vi.waitFor(isBack, { timeout: 60_000, interval: 500 });
});
