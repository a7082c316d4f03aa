/** The organism repairs the host that it runs on itself: the one action that ends who decided on it, and who does it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { TestOrganism } from "./organism.ts";

const COORDINATOR = {
  policy: [{ name: "restart", when: "true", skill: "restart-host", target: "core" }],
  modes: [{ skill: "restart-host", target: "core", mode: "act" }],
  effects: { settleMs: 0 },
};

interface Status {
  readonly hosts: {
    readonly name: string;
    readonly generation: number;
    readonly replicas: { readonly id: string; readonly state: string }[];
  }[];
}

interface Incident {
  readonly actions: { readonly rule: string; readonly state: string; readonly taskId: string }[];
  readonly story: { readonly kind: string; readonly text: string }[];
  readonly tasks: { readonly type: string; readonly state: string }[];
}

it("an action of the policy on its own host restarts it once, outlives it, and is judged", async () => {
  const organism = await TestOrganism.create();
  try {
    writeFileSync(join(organism.home, "policy.json"), JSON.stringify({ services: { coordinator: COORDINATOR } }));
    organism.environment["SEEDCORE_CONFIG"] = join(organism.home, "policy.json");
    const { gatewayUrl } = await organism.up();
    const ask = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
      const response = await fetch(`${gatewayUrl}${path}`, {
        method,
        headers: { authorization: `Bearer ${organism.token()}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      // Replaced new before old: nobody who asks is to notice.
      expect(`${path}: ${response.status}`).toBe(`${path}: 200`);
      return (await response.json()) as T;
    };
    const core = async () => {
      const host = (await ask<Status>("GET", "/telemetry/status")).hosts.find(({ name }) => name === "core");
      return { generation: host?.generation ?? 0, replicas: host?.replicas.map(({ id }) => id) ?? [] };
    };
    const feed = (points: [number, number][]) =>
      ask("POST", "/ml/sources/shop/points", { series: [{ name: "latency", points, minimumChange: 5 }] });

    const before = await core();
    const nowMs = Math.floor(Date.now() / 1_000) * 1_000;
    await feed(Array.from({ length: 300 }, (_, i) => [nowMs - (299 - i) * 1_000, i === 299 ? 93 : 20 + (i % 7) / 7]));
    const incident = async (): Promise<Incident | undefined> => {
      const { incidents } = await ask<{ incidents: { id: string }[] }>("GET", "/coordinator/incidents");
      return incidents[0] && ask<Incident>("GET", `/coordinator/incidents/${incidents[0].id}`);
    };
    let step = 0;
    const state = async (): Promise<string | undefined> => {
      const known = (await incident())?.actions[0]?.state;
      // Well again once it was done; before, its series would tell nothing of what was done.
      if (known === "checking") await feed([[Date.now(), 20 + (step++ % 7) / 7]]);
      return known;
    };
    await expect.poll(state, { timeout: 90_000, interval: 500 }).toBe("helped");

    const after = await core();
    expect(after.generation).toBe(before.generation + 1);
    expect(after.replicas.filter((id) => before.replicas.includes(id))).toEqual([]);
    const known = await incident();
    expect(known?.actions).toMatchObject([{ rule: "restart", state: "helped" }]);
    expect(known?.tasks.filter(({ type }) => type === "restart-host")).toMatchObject([{ state: "succeeded" }]);
    expect(known?.story.filter(({ kind }) => kind === "acted")).toHaveLength(1);
  } finally {
    await organism.destroy();
  }
});
