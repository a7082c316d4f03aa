import { expect, it } from "vitest";
import { createSystemFigures } from "./system-figures.ts";

const figures = (agents: readonly { readonly succeeded: number; readonly failed: number }[]) =>
  createSystemFigures(
    (ask) => ask,
    {
      energy: { current: async () => ({ total: -0.5 }) },
      ml: { source: { try: async () => ({ ok: true, value: { series: [{ name: "cpu", lastValue: 0.9 }] } }) } },
      state: { agents: async () => ({ agents }) },
    } as never,
    () => 2,
  )();

it("tells what can be had, and of agents that have executed nothing no share of what succeeded", async () => {
  const known = { openIncidents: 2, energy: -0.5, cpu: 0.9, memory: undefined };
  expect(await figures([])).toEqual({ ...known, successRate: undefined });
  const agents = [
    { succeeded: 2, failed: 1 },
    { succeeded: 1, failed: 0 },
  ];
  expect(await figures(agents)).toEqual({ ...known, successRate: 0.75 });
});
