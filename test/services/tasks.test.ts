import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EngineStatus } from "#runtime/engine/engine.ts";
import { HostSpec } from "#runtime/engine/host-spec.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { type Box, type BoxOptions, openBox } from "./organism-in-a-box.ts";
import { temporaryPlace } from "../temporary-place.ts";
import { createPuppet, type Puppet, type Running } from "./puppet-organism.ts";
import { eventually } from "./eventually.ts";

let place: Awaited<ReturnType<typeof temporaryPlace>>;
let boxes: Box[];

beforeEach(async () => {
  place = await temporaryPlace();
  boxes = [];
});

afterEach(async () => {
  for (const box of boxes) await box.close();
  await place.remove();
});

async function open(options: Omit<BoxOptions, "place"> = {}): Promise<Box> {
  const box = await openBox({ place, ...options });
  boxes.push(box);
  return box;
}

const next = (puppet: Puppet): Promise<Running> =>
  eventually(() => puppet.running[0] ?? Promise.reject(new Error("Nothing runs.")));

describe("a task", () => {
  it("runs to its result on a real skill, attempts counted once", async () => {
    const box = await open();
    const submitted = await box.coordinator.submitTask({ type: "noop" });
    expect(submitted).toMatchObject({ state: "queued", attempts: 0, submittedBy: "test", timeoutMs: 60_000 });
    const done = await box.coordinator.getTask({ id: submitted.id, waitMs: 10_000 });
    expect(done).toMatchObject({ state: "succeeded", attempts: 1, organ: "utility_organ_1", error: null });
    expect(done.effect?.state).toBe("confirmed");
  });

  it("of an unknown type is refused with what is known; of bad parameters fails at once with what is wrong", async () => {
    const box = await open();
    const refused = await box.coordinator.submitTask.try({ type: "reboot-universe" });
    expect(refused).toMatchObject({ ok: false, error: { code: "UNKNOWN_TASK_TYPE" } });
    if (!refused.ok && refused.error.code === "UNKNOWN_TASK_TYPE") expect(refused.error.data.known).toContain("noop");
    const { id } = await box.coordinator.submitTask({ type: "noop", params: { durationMs: "long" } });
    const failed = await box.coordinator.getTask({ id, waitMs: 10_000 });
    expect(failed).toMatchObject({ state: "failed", attempts: 1, error: { code: "BAD_PARAMS" } });
    expect(failed.error?.message).toContain("durationMs");
  });

  it("is taken by priority, then age, and no more at once than there are places", async () => {
    const puppet = createPuppet();
    const box = await open({ organismService: puppet.service, coordinator: { tasks: { slots: 1 } } });
    const first = await box.coordinator.submitTask({ type: "safe" });
    await next(puppet);
    const low = await box.coordinator.submitTask({ type: "safe", priority: 1 });
    const high = await box.coordinator.submitTask({ type: "safe", priority: 9 });
    const high2 = await box.coordinator.submitTask({ type: "safe", priority: 9 });
    for (const task of [first, high, high2, low]) {
      const running = await next(puppet);
      expect(running.taskId).toBe(task.id);
      expect(puppet.running).toHaveLength(1);
      running.succeed();
      await box.coordinator.getTask({ id: task.id, waitMs: 5_000 });
    }
  });

  // The original cancelled the row only: the work went on, and its result made the task "completed" again.
  it("that runs is really stopped when cancelled, and a late result changes nothing", async () => {
    const puppet = createPuppet();
    const box = await open({ organismService: puppet.service });
    const { id } = await box.coordinator.submitTask({ type: "safe" });
    const running = await next(puppet);
    expect(await box.coordinator.cancelTask({ id })).toMatchObject({ state: "cancelled", attempts: 1 });
    await eventually(() => expect(running.isAborted()).toBe(true));
    running.succeed("too late");
    expect(await box.coordinator.cancelTask({ id })).toMatchObject({ state: "cancelled", result: null });
    const again = await box.coordinator.retryTask({ id });
    expect(again).toMatchObject({ state: "queued", attempts: 1, maxAttempts: 4 });
    const second = await next(puppet);
    expect(second.attempt).toBe(2);
    second.succeed();
    expect(await box.coordinator.getTask({ id, waitMs: 5_000 })).toMatchObject({ state: "succeeded", attempts: 2 });
    const refused = await box.coordinator.retryTask.try({ id });
    expect(refused).toMatchObject({ ok: false, error: { code: "NOT_RETRYABLE", data: { state: "succeeded" } } });
  });

  it("is tried again after a growing time, as often as it may, and is then a dead letter that can be revived", async () => {
    const puppet = createPuppet();
    const clock = createFakeClock();
    const box = await open({ organismService: puppet.service, clock, random: { next: () => 0.5 } });
    const { id } = await box.coordinator.submitTask({ type: "safe", maxAttempts: 3 });
    for (const [attempt, delayMs] of [
      [1, 5_000],
      [2, 10_000],
    ] as const) {
      (await next(puppet)).fail(true);
      const waiting = await eventually(async () => {
        const task = await box.coordinator.getTask({ id });
        expect(task.state).toBe("scheduled");
        return task;
      });
      expect(waiting).toMatchObject({
        attempts: attempt,
        runAfterMs: clock.now() + delayMs,
        error: { code: "SKILL_FAILED" },
      });
      await clock.advance(delayMs - 1);
      expect(puppet.running).toHaveLength(0);
      await clock.advance(1);
    }
    (await next(puppet)).fail(true);
    await eventually(async () => expect((await box.coordinator.getTask({ id })).state).toBe("failed"));
    expect((await box.coordinator.listTasks({ state: "failed" })).tasks.map((task) => task.id)).toEqual([id]);
    expect((await box.coordinator.retryTask({ id })).maxAttempts).toBe(6);
    (await next(puppet)).succeed();
    await eventually(async () => expect((await box.coordinator.getTask({ id })).state).toBe("succeeded"));
    expect(puppet.begun).toEqual([1, 2, 3, 4].map((attempt) => `${id}#${attempt}`));
  });

  it("that must not run twice fails as unknown when the connection to its executor breaks", async () => {
    const puppet = createPuppet();
    const box = await open({ organismService: puppet.service });
    const { id } = await box.coordinator.submitTask({ type: "once" });
    (await next(puppet)).lose();
    const failed = await box.coordinator.getTask({ id, waitMs: 5_000 });
    expect(failed).toMatchObject({ state: "failed", attempts: 1, error: { code: "OUTCOME_UNKNOWN" } });
  });

  it("waits for its time", async () => {
    const puppet = createPuppet();
    const clock = createFakeClock();
    const box = await open({ organismService: puppet.service, clock });
    const { id, state } = await box.coordinator.submitTask({ type: "safe", runAfterMs: clock.now() + 30_000 });
    expect(state).toBe("scheduled");
    await clock.advance(29_999);
    expect(puppet.begun).toEqual([]);
    await clock.advance(1);
    (await next(puppet)).succeed();
    expect(puppet.begun).toEqual([`${id}#1`]);
  });
});

// A database that is away for a while, such as a full disk, must not cost a result that was already there.
it("keeps a result that cannot be stored until it can", async () => {
  const puppet = createPuppet();
  let isBroken = false;
  const box = await open({
    organismService: puppet.service,
    beforeWrite: () => {
      if (isBroken) throw new Error("The disk is full.");
    },
  });
  const { id } = await box.coordinator.submitTask({ type: "once" });
  const running = await next(puppet);
  isBroken = true;
  running.succeed("precious");
  await eventually(() => expect(box.log.lines.some(({ message }) => message.includes("they are kept"))).toBe(true));
  expect((await box.coordinator.getTask({ id })).state).toBe("running");
  isBroken = false;
  const done = await box.coordinator.getTask({ id, waitMs: 10_000 });
  expect(done).toMatchObject({ state: "succeeded", result: "precious", attempts: 1 });
});

// A commit may succeed although its answer is an error: what is there then must not lie still until something else happens.
it("goes on with what a write that failed half-way has stored", async () => {
  const puppet = createPuppet();
  const change = /update "coordinator_tasks" set "state" = [?$]/;
  let doubtful: RegExp | undefined;
  let changes = 0;
  const box = await open({
    organismService: puppet.service,
    coordinator: { tasks: { retryBaseMs: 1, retryMaxMs: 2 } },
    afterWrite: (sql) => {
      if (change.test(sql)) changes++;
      if (doubtful?.test(sql) !== true) return;
      doubtful = undefined;
      throw new Error("The answer was lost.");
    },
  });
  doubtful = /insert into "coordinator_tasks"/;
  await expect(box.coordinator.submitTask({ type: "safe" })).rejects.toThrow();
  const first = await next(puppet);
  doubtful = change;
  first.fail(true);
  const second = await next(puppet);
  expect([second.taskId, second.attempt]).toEqual([first.taskId, 2]);
  doubtful = change;
  const waited = box.coordinator.getTask({ id: first.taskId, waitMs: 10_000 });
  second.succeed();
  expect(await waited).toMatchObject({ state: "succeeded", attempts: 2 });
  expect(puppet.begun).toEqual([`${first.taskId}#1`, `${first.taskId}#2`]);
  await box.coordinator.submitTask({ type: "safe" });
  const third = await next(puppet);
  const before = changes;
  third.fail(false);
  await box.coordinator.getTask({ id: third.taskId, waitMs: 10_000 });
  // What was stored can be read before whoever stored it has heard of it.
  await eventually(() => expect(changes).toBeGreaterThan(before));
  doubtful = change;
  await expect(box.coordinator.retryTask({ id: third.taskId })).rejects.toThrow();
  expect(await next(puppet)).toMatchObject({ taskId: third.taskId, attempt: 2 });
});

describe("a new owner", () => {
  it("takes over what a killed one was running: repeats what may be repeated, and says what is unknown", async () => {
    const before = createPuppet();
    const killed = await open({ organismService: before.service, replicaId: "core/0@1" });
    const safe = await killed.coordinator.submitTask({ type: "safe" });
    const once = await killed.coordinator.submitTask({ type: "once" });
    await eventually(() => expect(before.running).toHaveLength(2));
    killed.crash();
    const after = createPuppet();
    const box = await open({ organismService: after.service, replicaId: "core/0@2" });
    const again = await next(after);
    expect([again.taskId, again.attempt]).toEqual([safe.id, 2]);
    again.succeed();
    expect(await box.coordinator.getTask({ id: safe.id, waitMs: 5_000 })).toMatchObject({
      state: "succeeded",
      attempts: 2,
    });
    expect(await box.coordinator.getTask({ id: once.id })).toMatchObject({
      state: "failed",
      error: { code: "OUTCOME_UNKNOWN" },
    });
    expect(after.begun).toEqual([`${safe.id}#2`]);
  });

  // A rolling replacement moves the coordinator while the old replica drains: its work must neither be lost nor doubled.
  it("leaves to a draining replica what it has begun, and hears of its end", async () => {
    const drained = new Set<string>();
    const spec = HostSpec.parse({ name: "core", services: ["coordinator"] });
    const engineStatus = (): EngineStatus => ({
      kind: "embedded",
      hosts: [
        {
          spec,
          generation: 1,
          replicas: ["core/0@1", "core/0@2"].map((id) => ({
            id,
            pid: 1,
            version: "1",
            generation: 1,
            restarts: 0,
            state: drained.has(id) ? { kind: "stopped", sinceMs: 0 } : { kind: "draining", sinceMs: 0 },
          })),
        },
      ],
    });
    const old = createPuppet();
    const draining = await open({ organismService: old.service, replicaId: "core/0@1", engineStatus });
    const finished = await draining.coordinator.submitTask({ type: "once" });
    const killed = await draining.coordinator.submitTask({ type: "safe" });
    await eventually(() => expect(old.running).toHaveLength(2));

    const fresh = createPuppet();
    const box = await open({ organismService: fresh.service, replicaId: "core/0@2", engineStatus });
    await draining.lose();
    await expect(draining.coordinator.submitTask({ type: "safe" })).rejects.toMatchObject({ code: "NOT_OWNER" });
    expect((await box.coordinator.getTask({ id: finished.id })).state).toBe("running");
    const waited = box.coordinator.getTask({ id: finished.id, waitMs: 10_000 });
    old.running.find(({ taskId }) => taskId === finished.id)?.succeed();
    expect(await waited).toMatchObject({ state: "succeeded", attempts: 1 });

    draining.crash();
    drained.add("core/0@1");
    const again = await next(fresh);
    expect([again.taskId, again.attempt]).toEqual([killed.id, 2]);
    again.succeed();
    expect((await box.coordinator.getTask({ id: killed.id, waitMs: 5_000 })).state).toBe("succeeded");
    expect(fresh.begun).toEqual([`${killed.id}#2`]);
  });
});

it("sends those who wait to the new owner, and turns away more than may wait", async () => {
  const puppet = createPuppet();
  const box = await open({ organismService: puppet.service, coordinator: { tasks: { waiters: 1 } } });
  const { id } = await box.coordinator.submitTask({ type: "safe" });
  const waiting = box.coordinator.getTask({ id, waitMs: 30_000 });
  await eventually(() =>
    expect(box.coordinator.getTask({ id, waitMs: 30_000 })).rejects.toMatchObject({ code: "OVERLOADED" }),
  );
  await box.lose();
  await expect(waiting).rejects.toMatchObject({ code: "NOT_OWNER", started: "no" });
});

it("counts what there is, for status and for Prometheus", async () => {
  const box = await open();
  const { id } = await box.coordinator.submitTask({ type: "noop" });
  await box.coordinator.getTask({ id, waitMs: 5_000 });
  const { id: late } = await box.coordinator.submitTask({ type: "noop", runAfterMs: Date.now() + 60_000 });
  expect((await box.coordinator.status({})).tasks).toMatchObject({ succeeded: 1, scheduled: 1 });
  expect((await box.coordinator.listTasks({ limit: 1 })).tasks[0]?.id).toBe(late);
  expect((await box.coordinator.listTasks({ before: late })).tasks.map((task) => task.id)).toEqual([id]);
  const text = await box.metrics.metrics();
  expect(text).toContain('seedcore_tasks{state="succeeded"} 1');
  expect(text).toContain('seedcore_task_attempt_seconds_count{type="noop",outcome="succeeded"} 1');
});
