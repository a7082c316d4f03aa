import { expect, it } from "vitest";
import { createFakeClock } from "#testing/fake-clock.ts";
import type { DepositPatch } from "./registry.ts";
import type { Serve, ServedApplication } from "./serve.ts";
import { takeDown } from "./take-down.ts";

const application = (name: string, status: string): ServedApplication => ({
  name,
  status,
  message: "",
  config: { name, import_path: "" },
  deployedAtMs: 0,
  targetReplicas: 1,
  replicas: [],
});

// The organism's own engine may be starting something in the very moment in which it is told to stop; what came after the
// first deletion would run for ever, with nobody to know of it.
it("forbids new starts first, and deletes again what came all the same", async () => {
  const steps: string[] = [];
  let present: ServedApplication[] = [application("dev.ml@1.1", "RUNNING")];
  let reads = 0;
  const serve: Serve = {
    async read() {
      if (++reads === 3) present = [...present, application("dev.ml@1.2", "DEPLOYING")];
      if (reads === 6) present = [];
      return present;
    },
    async change({ keep, add }) {
      expect([keep.size, add.length]).toEqual([0, 0]);
      steps.push(`delete ${present.map(({ name }) => name).join()}`);
      present = present.map(({ name }) => application(name, "DELETING"));
    },
    scale: async () => {},
    keep: async () => true,
  };
  const registry = { deposit: async (patch: DepositPatch) => void steps.push(JSON.stringify(patch)) };
  const clock = createFakeClock();
  const done = takeDown({ serve, registry, clock });
  await clock.advance(10_000);
  expect(await done).toEqual(["dev.ml@1.1", "dev.ml@1.2"]);
  expect(steps).toEqual(['{"down":true}', "delete dev.ml@1.1", "delete dev.ml@1.1,dev.ml@1.2"]);
});
