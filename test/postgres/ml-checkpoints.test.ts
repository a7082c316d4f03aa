import { afterAll, describe } from "vitest";
import { describeMlCheckpoints } from "#testing/ml-checkpoint-suite.ts";
import { createRig, type Rig } from "./rig.ts";

describe("checkpoints of two versions, on PostgreSQL", () => {
  let rig: Rig;
  describeMlCheckpoints(async () => {
    rig = await createRig();
    return rig.open();
  });
  afterAll(() => rig.close());
});
