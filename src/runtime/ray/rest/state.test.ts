import { expect, it } from "vitest";
import { createFakeClock } from "#testing/fake-clock.ts";
import { listState, STATE } from "./state.ts";
import { createRayRest } from "./transport.ts";

it("asks with its filters in Ray's three parallel lists and says what may be missing", async () => {
  let asked = "";
  const rest = createRayRest({
    url: "http://head:8265",
    token: () => undefined,
    clock: createFakeClock(),
    exchange: async ({ path }) => {
      asked = path;
      const row = { actor_id: "a", class_name: "C", state: "ALIVE", num_restarts: "2", anything_new: 1 };
      const result = {
        result: [row],
        total: 40_000,
        num_after_truncation: 10_000,
        num_filtered: 3_452,
        partial_failure_warning: "1 of 2 nodes did not answer",
        warnings: ["cut at 10000"],
      };
      return { status: 200, headers: {}, body: Buffer.from(JSON.stringify({ result: true, data: { result } })) };
    },
  });
  const filters = [
    { key: "state", is: "=", value: "ALIVE" },
    { key: "name", is: "!=", value: "x&y" },
  ] as const;
  const list = await listState(rest, STATE.actors, { filters, limit: 5 });
  expect(asked).toBe(
    "/api/v0/actors?limit=5&detail=false&filter_keys=state&filter_keys=name&filter_predicates=%3D&filter_predicates=%21%3D&filter_values=ALIVE&filter_values=x%26y",
  );
  expect(list).toEqual({
    rows: [{ actor_id: "a", class_name: "C", state: "ALIVE", num_restarts: 2 }],
    matching: 3_452,
    warnings: [
      "1 of 2 nodes did not answer",
      "cut at 10000",
      "Ray has 40000 actors and looked at 10000 of them.",
      "1 of 3452 actors are listed.",
    ],
  });
});
