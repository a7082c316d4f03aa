import { expect, it } from "vitest";
import type { DesiredHost, DesiredState } from "#runtime/engine/desired-state.ts";
import { HostSpec } from "#runtime/engine/host-spec.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { rollBackHost } from "./roll-back-host.ts";
import { scaleHost } from "./scale-host.ts";

/** An engine in which what is desired of the one host is so at once. */
function setUp() {
  const spec = (version: string, replicas = 2) =>
    HostSpec.parse({ name: "shop", services: ["stock"], version, replicas });
  let host: DesiredHost = { spec: spec("2"), previous: spec("1"), generation: 1, revision: 1 };
  let rollBacks = 0;
  const desired = {
    list: async () => [host],
    scale: async (_host: string, replicas: number) => (host = { ...host, spec: { ...host.spec, replicas } }),
    async rollBack() {
      rollBacks++;
      const { spec: from, previous = from } = host;
      return (host = { ...host, spec: previous, previous: from, generation: host.generation + 1 });
    },
  } as unknown as DesiredState;
  const engineStatus = () => ({
    kind: "embedded" as const,
    hosts: [
      {
        spec: host.spec,
        generation: host.generation,
        replicas: Array.from({ length: host.spec.replicas }, (_, i) => ({
          id: `shop/${i}@1`,
          pid: 1,
          version: host.spec.version,
          generation: host.generation,
          restarts: 0,
          state: { kind: "ready" as const, sinceMs: 0, address: "" },
        })),
      },
    ],
  });
  const platform = { desired, engineStatus, replicaId: "core/0@1" };
  const context = {
    taskId: "task_1",
    signal: new AbortController().signal,
    clock: createFakeClock(),
    log: createMemoryLogger(),
  };
  return { platform, context, version: () => host.spec.version, rollBacks: () => rollBacks };
}

// The second attempt saw what the first had written: there was nothing to take back, and the host kept its new size.
it("of a scaling is how many there were before it began", async () => {
  const { platform, context } = setUp();
  const skill = scaleHost(platform);
  const params = { host: "shop", replicas: 4 };
  const undo = { skill: "scale-host", params: { host: "shop", replicas: 2 } };
  expect(await skill.undoOf?.(params)).toEqual(undo);
  await skill.execute(params, context);
  expect(await skill.undoOf?.(params)).toBeNull();
  expect(await skill.undoOf?.({ host: "none", replicas: 4 })).toBeNull();
});

// Nobody saw whether it was done: there and back again would be the version that was to go.
it("of a roll-back leads to the version before it, whether that was done or not, and only once", async () => {
  const { platform, context, version, rollBacks } = setUp();
  const skill = rollBackHost(platform);
  const undo = await skill.undoOf?.({ host: "shop" });
  expect(undo).toEqual({ skill: "roll-back-host", params: { host: "shop", to: "2" } });
  await skill.execute(undo?.params ?? {}, context);
  expect([version(), rollBacks()]).toEqual(["2", 0]);
  await skill.execute({ host: "shop" }, context);
  expect(version()).toBe("1");
  for (let times = 0; times < 2; times++) await skill.execute(undo?.params ?? {}, context);
  expect([version(), rollBacks()]).toEqual(["2", 2]);
  await expect(skill.execute({ host: "shop", to: "0" }, context)).rejects.toThrow(/version 0.*before is 1/);
});
