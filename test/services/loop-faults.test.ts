/** The loop when processes die and answers are lost: nothing is done twice, and nothing is forgotten. */
import { describe, expect, it } from "vitest";
import { ServiceError } from "#core/service-error.ts";
import type { EngineStatus } from "#runtime/engine/engine.ts";
import { HostSpec } from "#runtime/engine/host-spec.ts";
import { actionOf, begun, crossing, fault, open, QUICK, repair, until, world } from "./loop-world.ts";

describe("what was under way when its process died", () => {
  const APART = { incidents: { quietMs: 60_000, correlationMs: 10 } };
  const lost = async () => {
    const box = await open(APART, { replicaId: "core/0@1" });
    const { incidentId } = await box.coordinator.reportCrossing(crossing("stock", Date.now()));
    await begun();
    box.crash();
    return incidentId ?? "";
  };

  // Nobody knows whether it was restarted: doing it again blindly could be the second time, also for another incident.
  it("is not repeated while nothing tells whether it was done: a person says what became of it", async () => {
    world.latency = null;
    const id = await lost();
    const next = await open(APART, { replicaId: "core/0@2" });
    await until(next, id, "unknown");
    const again = await next.coordinator.reportCrossing(crossing("front", Date.now() + 1_000));
    expect(again.incidentId).not.toBe(id);
    await until(next, again.incidentId ?? "", "held");
    const { id: actionId = "" } = (await actionOf(next, id)) ?? {};
    expect((await actionOf(next, again.incidentId ?? ""))?.reason).toContain(actionId);
    expect(world.puppet.begun).toHaveLength(1);
    const settled = await next.coordinator.settleAction({ id: actionId, outcome: "useless" });
    expect(settled.state).toBe("useless");
    await until(next, again.incidentId ?? "", "acting");
  });

  // It waited for a person although its series had long told.
  it("is looked at like what was seen to be done", async () => {
    const id = await lost();
    world.stockMs = 4;
    world.latency = 4;
    const next = await open(APART, { replicaId: "core/0@2" });
    await until(next, id, "helped");
    expect((await actionOf(next, id))?.reason).toContain("Nobody saw it done");
    expect(world.puppet.begun).toHaveLength(1);
  });

  // The restart had been written; cancelled, it read as one that had failed, and its effect was never looked at.
  it("is looked at, too, when a person cancelled it instead", async () => {
    const box = await open(APART);
    const { incidentId } = await box.coordinator.reportCrossing(crossing("stock", Date.now()));
    await begun();
    world.stockMs = 4;
    world.latency = 4;
    const { taskId } = (await actionOf(box, incidentId ?? "")) ?? {};
    expect(await box.coordinator.cancelTask({ id: taskId ?? "" })).toMatchObject({ state: "cancelled" });
    await until(box, incidentId ?? "", "helped");
  });
});

// A core that restarts its own host: drained, it stores the result after the next owner has read; nobody looked any more.
it("looks at the effect of what a draining process did", async () => {
  const spec = HostSpec.parse({ name: "core", services: ["coordinator"] });
  const replicas = ["core/0@1", "core/0@2"].map((replica) => ({
    id: replica,
    pid: 1,
    version: "1",
    generation: 1,
    restarts: 0,
    state: { kind: "draining" as const, sinceMs: 0 },
  }));
  const engineStatus = (): EngineStatus => ({ kind: "embedded", hosts: [{ spec, generation: 1, replicas }] });
  const draining = await open({}, { replicaId: "core/0@1", engineStatus });
  const id = await fault(draining);
  await begun();
  const next = await open({}, { replicaId: "core/0@2", engineStatus });
  await draining.lose();
  expect(await actionOf(next, id)).toMatchObject({ state: "acting" });
  repair();
  await until(next, id, "helped");
});

it("goes on with the look at whether it helped after its process died", async () => {
  const box = await open({ effects: { ...QUICK, settleMs: 1_500 } }, { replicaId: "core/0@1" });
  const id = await fault(box);
  await begun();
  repair();
  await until(box, id, "checking");
  box.crash();
  const next = await open({ effects: QUICK }, { replicaId: "core/0@2" });
  await until(next, id, "helped");
  expect(world.puppet.begun).toHaveLength(1);
});

// The write had happened, its answer was lost: what was in memory still waited for a person, and began a second task.
it("does not begin a second time what was approved when the answer was lost", async () => {
  let isLost = false;
  const box = await open(
    { modes: [] },
    {
      afterWrite: (sql) => {
        if (!isLost || !sql.includes("actions")) return;
        isLost = false;
        throw new ServiceError("CONNECTION_LOST", "The answer of the database was lost.", { started: "maybe" });
      },
    },
  );
  const id = await fault(box);
  await until(box, id, "proposed");
  const { id: actionId = "" } = (await actionOf(box, id)) ?? {};
  isLost = true;
  await box.coordinator.decideAction({ id: actionId, approve: true }).catch(() => {});
  expect(isLost).toBe(false);
  await box.coordinator.decideAction.try({ id: actionId, approve: true });
  await begun();
  expect(world.puppet.begun).toHaveLength(1);
});

// What was in memory was still under way: its effect was never looked at, and nothing else was done for its target.
it.each(["its result", "its cancelling"])("looks at the effect also when the answer to %s was lost", async (what) => {
  let isLost = false;
  const afterWrite = (sql: string) => {
    if (!isLost || !sql.includes('update "coordinator_tasks"') || !sql.includes("actions")) return;
    isLost = false;
    throw new ServiceError("CONNECTION_LOST", "The answer of the database was lost.", { started: "maybe" });
  };
  const box = await open({}, { afterWrite });
  const id = await fault(box);
  await begun();
  const { taskId } = (await actionOf(box, id)) ?? {};
  isLost = true;
  if (what === "its result") repair();
  else {
    world.stockMs = 4;
    world.latency = 4;
    await box.coordinator.cancelTask({ id: taskId ?? "" }).catch(() => {});
  }
  await until(box, id, "helped");
  expect(isLost).toBe(false);
});
