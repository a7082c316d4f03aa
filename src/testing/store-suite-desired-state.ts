import { expect, it } from "vitest";
import { systemClock } from "#core/clock.ts";
import { createDesiredState, desiredStateSchema } from "#runtime/engine/desired-state-rows.ts";
import { HostSpec } from "#runtime/engine/host-spec.ts";
import { returned } from "#runtime/engine/rollout.ts";
import type { StoreRig } from "./store-suite.ts";

export function describeDesiredState(rig: StoreRig): void {
  const spec = HostSpec.parse({ name: "core", services: ["coordinator"] });

  it("raises the generation only for what must replace running replicas", async () => {
    const desired = createDesiredState(await rig.open([desiredStateSchema]), systemClock);
    expect(await desired.put(spec)).toEqual({ spec, generation: 1, revision: 1 });
    expect(await desired.put({ ...spec })).toMatchObject({ generation: 1, revision: 1 });
    expect(await desired.put({ ...spec, replicas: 2 })).toMatchObject({ generation: 1, revision: 2 });
    expect(await desired.scale("core", 3)).toMatchObject({ generation: 1, revision: 3, spec: { replicas: 3 } });
    expect(await desired.put({ ...spec, replicas: 3, memoryMb: 1_024 })).toMatchObject({ generation: 2 });
    expect(await desired.restart("core")).toMatchObject({ generation: 3, revision: 5 });
    expect(await desired.list()).toHaveLength(1);
  });

  // Removed and deployed again between two looks of the engine: an equal generation would leave the old replicas alone.
  it("never repeats a generation of a name", async () => {
    const desired = createDesiredState(await rig.open([desiredStateSchema]), systemClock);
    await desired.put(spec);
    await desired.remove("core");
    expect(await desired.list()).toEqual([]);
    expect(await desired.put(spec)).toMatchObject({ generation: 2 });
  });

  it("says so when the host is not there", async () => {
    const desired = createDesiredState(await rig.open([desiredStateSchema]), systemClock);
    await desired.remove("none");
    await expect(desired.scale("none", 2)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(desired.restart("none")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  // The way back from a deploy that starts well and works badly.
  it("goes back to what a host was before, and forth again, with as many replicas as it has", async () => {
    const desired = createDesiredState(await rig.open([desiredStateSchema]), systemClock);
    await desired.put(spec);
    await expect(desired.rollBack("core")).rejects.toMatchObject({ code: "CONFLICT" });
    const next = { ...spec, version: "2" };
    await desired.put(next);
    await desired.scale("core", 3);
    await desired.restart("core");
    const again = createDesiredState(await rig.open(), systemClock);
    expect(await again.rollBack("core")).toMatchObject({ spec: { version: "1", replicas: 3 }, generation: 4 });
    expect(await again.rollBack("core")).toMatchObject({ spec: { version: "2", replicas: 3 }, generation: 5 });
    // A third did not start, and the second was put back.
    await again.put({ ...next, version: "3", replicas: 3 });
    await again.put({ ...next, replicas: 3 });
    await expect(again.rollBack("core")).rejects.toMatchObject({ code: "CONFLICT" });
    await again.remove("core");
    await expect(again.rollBack("core")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await again.put(spec);
    await expect(again.rollBack("core")).rejects.toMatchObject({ code: "CONFLICT" });
  });

  // Unconditional, it undid what somebody else had changed since.
  it("gives a change up for what was there before, unless somebody has changed it since", async () => {
    const desired = createDesiredState(await rig.open([desiredStateSchema]), systemClock);
    const next = await desired.put({ ...spec, version: "2" });
    await desired.scale("core", 3);
    expect(await desired.giveUp(next, spec)).toMatchObject({ spec: { version: "1", replicas: 3 }, generation: 2 });
    expect(await desired.giveUp(next, undefined)).toMatchObject({ spec: { version: "1" }, generation: 2 });
    const first = await desired.put({ ...spec, version: "3" });
    expect(await desired.giveUp(first, undefined)).toBeUndefined();
    expect(await desired.giveUp(first, spec)).toBeUndefined();
    expect(await desired.list()).toEqual([]);
    const wider = await desired.put({ ...spec, replicas: 5 });
    expect(await desired.giveUp(wider, spec)).toMatchObject({ spec: { replicas: 1 }, generation: wider.generation });
  });

  // Whoever drives a rollout may be killed at any time: what was decided must be there for the next.
  it("keeps a rollout over a restart, and makes its version the present one at the end", async () => {
    const desired = createDesiredState(await rig.open([desiredStateSchema]), systemClock);
    await desired.put(spec);
    const plan = { steps: [5, 100], everyMs: 1_000, nowMs: 1 };
    const begun = await desired.startRollout("core", (present) => ({ ...present, version: "2" }), plan);
    const again = createDesiredState(await rig.open(), systemClock);
    expect(await again.list()).toEqual([begun]);
    expect(begun).toMatchObject({ generation: 1, rollout: { from: "1", generation: 2, state: { kind: "starting" } } });
    const none = { calls: 0, errors: 0 };
    const finished = { kind: "finished", endedAtMs: 2, old: none, next: none } as const;
    await again.changeRollout("core", (rollout) => ({ ...rollout, state: finished }));
    expect(await desired.list()).toMatchObject([
      { generation: 2, spec: { version: "2" }, rollout: { state: finished } },
    ]);
    expect(await desired.changeRollout("core", (rollout) => returned(rollout, "late", 3))).toMatchObject({
      revision: 3,
    });
  });

  // Two services ask for a restart at once: with read and write, rather than compare and set, one would be lost.
  it("loses no change of several writers", async () => {
    const writers = await Promise.all([rig.open([desiredStateSchema]), rig.open(), rig.open()]);
    const states = writers.map((db) => createDesiredState(db, systemClock));
    await states[0]?.put(spec);
    const rounds = Array.from({ length: 5 });
    await Promise.all(
      states.map(async (desired) => {
        for (const _ of rounds) await desired.restart("core");
      }),
    );
    expect(await states[0]?.list()).toMatchObject([{ generation: 16, revision: 16 }]);
  });
}
