import { expect, it } from "vitest";
import type { ActionRecord } from "./action.ts";
import { createLearning } from "./learning.ts";

const STOCK = { service: "stock", kind: "latency", confidence: 0.9 } as const;
const CART = { service: "cart", kind: "errors", confidence: 0.8 } as const;
const USELESS = {
  id: "act_1",
  skill: "scale-host",
  target: "stock",
  risk: "low",
  state: "useless",
  cause: STOCK,
  taskId: "task_1",
  begunAtMs: 1,
  undoTaskId: null,
  checkedSeries: ["services/stock/latency"],
  actedAtMs: 2,
} as ActionRecord;
const FAILED = {
  ...USELESS,
  id: "act_2",
  state: "failed",
  target: "cart",
  cause: CART,
  actedAtMs: null,
} as ActionRecord;

/** The case that is kept of an incident with these actions, the newest diagnosis blaming cart. */
async function caseOf(actions: readonly ActionRecord[]): Promise<unknown> {
  const kept: unknown[] = [];
  const learning = createLearning({
    actions: { ofIncident: async () => actions } as never,
    incidents: {
      get: async () => ({ id: "inc_1", state: "open", label: null }),
      diagnosis: async () => ({ diagnosis: { cause: CART, signature: ["cart/errors:up"] } }),
    } as never,
    cognitive: { recordOutcome: async () => ({ recorded: true }) } as never,
    energy: {} as never,
    state: { putCase: async (one: unknown) => void kept.push(one) } as never,
    write: async () => [],
    epoch: () => 1,
  });
  await learning.remember("inc_1");
  return kept[0];
}

it.each<[string, ActionRecord[], object]>([
  ["the newest diagnosis while nothing was tried", [], { cause: { service: "cart", kind: "errors" }, action: null }],
  // It was said that what had been tried on stock had not helped cart, which spoke against cart the next time.
  ["the cause that was acted on", [USELESS], { cause: { service: "stock", kind: "latency" }, helped: false }],
  [
    "what failed or has an unknown outcome, as such",
    [{ ...FAILED, state: "unknown" }],
    { cause: { service: "cart", kind: "errors" }, action: { skill: "scale-host", target: "cart" }, helped: null },
  ],
  ["what told something before what failed", [USELESS, FAILED], { cause: { service: "stock" }, helped: false }],
  [
    "what helped before all",
    [
      { ...USELESS, state: "helped" },
      { ...USELESS, id: "act_2", target: "cart", cause: CART },
    ],
    { cause: { service: "stock" }, helped: true },
  ],
  // It was forgotten once something else had helped: the next time the same was tried first again, as if never before.
  [
    "what did not help beside what did",
    [USELESS, { ...USELESS, id: "act_2", skill: "restart-host", state: "helped" }],
    {
      action: { skill: "restart-host", target: "stock" },
      helped: true,
      useless: [{ skill: "scale-host", target: "stock" }],
    },
  ],
  [
    "of what did not help only what was an answer to its cause",
    [USELESS, { ...USELESS, id: "act_2", target: "cart", cause: CART, state: "helped" }],
    { cause: { service: "cart" }, useless: [] },
  ],
  // The next time it was a remedy that nobody knew to help.
  ["nothing of what is not meant to repair", [{ ...USELESS, state: "done", checkedSeries: [] }], { action: null }],
  [
    "nothing of what was never begun",
    [{ ...USELESS, state: "rejected", taskId: null, begunAtMs: null }],
    { action: null },
  ],
])("keeps of an incident %s", async (_what, actions, kept) => {
  expect(await caseOf(actions)).toMatchObject(kept);
});
