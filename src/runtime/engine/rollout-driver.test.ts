import { beforeEach, describe, expect, it } from "vitest";
import { createFakeClock } from "#testing/fake-clock.ts";
import { silentLogger } from "../telemetry/logger.ts";
import * as row from "./desired-row.ts";
import type { DesiredHost, DesiredState } from "./desired-state.ts";
import { HostSpec } from "./host-spec.ts";
import type { Figures } from "./rollout.ts";
import { createRolloutDriver, type GenerationView } from "./rollout-driver.ts";

const spec = HostSpec.parse({ name: "ml", services: ["ml"] });

/** An engine of one host with a rollout, whose replicas and their counts the test sets. */
function rig() {
  const clock = createFakeClock();
  const present = row.put(spec, 0)(row.ABSENT);
  let stored = row.startRollout("ml", () => ({ ...spec, version: "2" }), {
    steps: [50, 100],
    everyMs: 3_000,
    nowMs: 0,
  })(present);
  const counts: Record<string, Figures | undefined> = { old: { calls: 900, errors: 90 }, new: { calls: 0, errors: 0 } };
  const views: Record<number, GenerationView> = {};
  for (const [generation, id] of [
    [1, "old"],
    [2, "new"],
  ] as const) {
    views[generation] = { replicas: [{ id, address: id }], isReady: true, failure: undefined };
  }
  let canWrite = true;
  const desired: Pick<DesiredState, "changeRollout"> = {
    async changeRollout(_host, how) {
      if (!canWrite) throw new Error("the database is away");
      stored = row.changeRollout(how)(stored);
      return row.toDesired(stored);
    },
  };
  const create = () =>
    createRolloutDriver({
      clock,
      log: silentLogger,
      desired: desired as DesiredState,
      mintToken: async () => "token",
      view: ({ generation }) => views[generation] as GenerationView,
      figures: { read: async (address) => counts[address], close: () => {} },
    });
  return {
    clock,
    counts,
    create,
    host: (): DesiredHost => row.toDesired(stored),
    state: () => stored.rollout?.state,
    allowWrites(allowed: boolean) {
      canWrite = allowed;
    },
  };
}

describe("the driver of rollouts", () => {
  let engine: ReturnType<typeof rig>;
  beforeEach(() => {
    engine = rig();
  });
  /** Looks once a second. */
  const looks = async (driver: ReturnType<typeof engine.create>, times: number) => {
    for (let i = 0; i < times; i++) {
      await driver.look([engine.host()]);
      await engine.clock.advance(1_000);
    }
  };

  it("counts what has happened since it began to look, not what replicas had done before", async () => {
    const driver = engine.create();
    await looks(driver, 1);
    engine.counts.old = { calls: 1_000, errors: 91 };
    engine.counts.new = { calls: 100, errors: 1 };
    await looks(driver, 1);
    expect(engine.state()).toMatchObject({
      kind: "step",
      old: { calls: 100, errors: 1 },
      next: { calls: 100, errors: 1 },
    });
  });

  it("counts a replica that began anew from nothing, and one that does not answer not at all", async () => {
    const driver = engine.create();
    await looks(driver, 1);
    engine.counts.old = undefined;
    engine.counts.new = { calls: 7, errors: 0 };
    await looks(driver, 1);
    engine.counts.old = { calls: 910, errors: 90 };
    engine.counts.new = { calls: 2, errors: 0 };
    await looks(driver, 1);
    expect(engine.state()).toMatchObject({ old: { calls: 10, errors: 0 }, next: { calls: 7, errors: 0 } });
  });

  // A rejected write that had moved the counts on would hide the errors of that second.
  it("counts calls once, and all of them, when its row could not be written for a while", async () => {
    const driver = engine.create();
    await looks(driver, 1);
    engine.allowWrites(false);
    engine.counts.new = { calls: 40, errors: 2 };
    await expect(driver.look([engine.host()])).rejects.toThrow("away");
    engine.allowWrites(true);
    engine.counts.new = { calls: 50, errors: 2 };
    await driver.look([engine.host()]);
    expect(engine.state()).toMatchObject({ next: { calls: 50, errors: 2 } });
  });

  it("gives time in which it was away no credit, nor another driver's", async () => {
    await looks(engine.create(), 2);
    await engine.clock.advance(600_000);
    const another = engine.create();
    await looks(another, 1);
    expect(engine.state()).toMatchObject({ kind: "step", step: 0, observedMs: 1_000 });
    await engine.clock.advance(600_000);
    await looks(another, 1);
    // Of a gap no more than five seconds count, which are the rest of this step.
    expect(engine.state()).toMatchObject({ kind: "step", step: 1, observedMs: 0 });
  });

  it("says that there is nothing to follow once a rollout has ended", async () => {
    const driver = engine.create();
    expect(await driver.look([engine.host()])).toBe(true);
    for (let i = 0; i < 10; i++) await looks(driver, 1);
    expect(engine.state()).toMatchObject({ kind: "finished" });
    expect(await driver.look([engine.host()])).toBe(false);
  });
});
