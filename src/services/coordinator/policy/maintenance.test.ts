import { expect, it } from "vitest";
import { heldByMaintenance } from "./maintenance.ts";

const maintenance = { id: "mnt_1", target: "stock-*", fromMs: 1_000, toMs: 2_000, reason: "release" };
const action = { target: "stock-host", risk: "high" } as const;

it("holds what has a risk and a target that fits, while it lasts", () => {
  const held = (changes: object, nowMs = 1_500) => heldByMaintenance({ ...action, ...changes }, [maintenance], nowMs);
  expect(held({})).toBe("There is maintenance of stock-* (mnt_1) until 1970-01-01T00:00:02.000Z.");
  expect(held({ risk: "none" })).toBeUndefined();
  expect(held({ target: "cart" })).toBeUndefined();
  expect(held({}, 999)).toBeUndefined();
  expect(held({}, 2_000)).toBeUndefined();
});

// No date is that late: instead of being refused, every approval failed, for as long as there was such maintenance.
it("tells no end where it ends later than any date", () => {
  const forEver = { ...maintenance, toMs: Number.MAX_SAFE_INTEGER };
  expect(heldByMaintenance(action, [forEver], 1_500)).toBe("There is maintenance of stock-* (mnt_1).");
});
