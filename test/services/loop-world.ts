/** A small world for the loop: front calls stock, which is slow. What telemetry and ml would tell is told by the test. */
import { afterEach, beforeEach, expect } from "vitest";
import type { CallGraph } from "#contracts/cognitive.ts";
import type { Action } from "#contracts/action.ts";
import { type Crossing, ml } from "#contracts/ml.ts";
import { telemetry } from "#contracts/telemetry.ts";
import { implement, type Service } from "#runtime/service.ts";
import { temporaryPlace } from "../temporary-place.ts";
import { type Box, type BoxOptions, openBox } from "./organism-in-a-box.ts";
import { createPuppet, type Puppet } from "./puppet-organism.ts";
import { eventually } from "./eventually.ts";

let place: Awaited<ReturnType<typeof temporaryPlace>>;
let boxes: Box[];

interface World {
  /** Milliseconds that stock takes by itself now. */
  stockMs: number;
  /** Requests a second to either, now; 20 before. */
  requestsPerS: number;
  /** How often the calls were looked at. */
  looks: number;
  /** Values that its latency has had since it was last asked; null for none. */
  latency: number | null;
  puppet: Puppet;
}

/** As each test finds it. */
const fresh = (): World => ({ stockMs: 120, requestsPerS: 20, looks: 0, latency: 120, puppet: createPuppet() });
export const world = fresh();

beforeEach(async () => {
  place = await temporaryPlace();
  boxes = [];
  Object.assign(world, fresh());
});

afterEach(async () => {
  for (const box of boxes) await box.close();
  await place.remove();
});

/** front calls stock. */
export function graph(): CallGraph {
  const figures = (selfLatencyMs: number, latencyMs: number, requestsPerS = 20) => ({
    requestsPerS,
    errorsPerS: 0,
    latencyMs,
    selfErrorsPerS: 0,
    selfLatencyMs,
    memoryMb: 100,
  });
  const edge = (latencyMs: number) => ({ callsPerS: 20, errorsPerS: 0, latencyMs });
  const replicas = { ready: 1, wanted: 1 };
  return {
    services: [
      {
        service: "front",
        host: "front-host",
        isOwn: true,
        replicas,
        before: figures(3, 7),
        now: figures(3, 3 + world.stockMs, world.requestsPerS),
      },
      {
        service: "stock",
        host: "stock-host",
        isOwn: true,
        replicas,
        before: figures(4, 4),
        now: figures(world.stockMs, world.stockMs, world.requestsPerS),
      },
    ],
    edges: [{ from: "front", to: "stock", before: edge(4), now: edge(world.stockMs) }],
    beforeMs: [0, 1],
    nowMs: [1, 2],
    watchedFromMs: -1_800_000,
  };
}

export const watchers = (): Service[] => [
  implement(telemetry, {
    callGraph: async () => {
      world.looks++;
      return graph();
    },
  } as never),
  implement(ml, {
    points: async () => {
      const { latency } = world;
      return { points: latency === null ? [] : Array.from({ length: 10 }, (_, i) => [Date.now() + i, latency, 0]) };
    },
  } as never),
];

export const RULE = {
  name: "repair",
  when: 'cause.isOwn && cause.kind == "latency" && cause.confidence >= 0.7',
  skill: "once",
  target: "{cause.host}",
};
export const SKILL = {
  name: "once",
  summary: "",
  risk: "high",
  idempotent: false,
  timeoutMs: 1_000,
  params: {},
  effectCheck: "",
  remedies: [],
  repairs: true,
  targetParam: null,
  canUndo: false,
} as const;
export const QUICK = { settleMs: 0, withinMs: 1_500, points: 3, spreads: 4 };

export async function open(coordinator: object = {}, options: Partial<BoxOptions> = {}): Promise<Box> {
  const config = {
    policy: [RULE],
    modes: [{ mode: "act" }],
    effects: QUICK,
    incidents: { quietMs: 500 },
    ...coordinator,
  };
  const box = await openBox({
    place,
    coordinator: config,
    // With settings of its own it is the real one.
    ...(options.organism === undefined ? { organismService: world.puppet.service } : {}),
    more: watchers(),
    ...options,
  });
  boxes.push(box);
  return box;
}

export function crossing(service: string, startedAtMs: number): { id: string; crossing: Crossing } {
  const series = `${service}/latency`;
  const id = `services/${series}@${startedAtMs}`;
  const body = { id, source: "services", series, startedAtMs, value: 120, expected: 4, spread: 0.5, score: 1 } as const;
  return { id, crossing: { ...body, direction: "up" } };
}

export async function fault(box: Box): Promise<string> {
  const now = Date.now();
  const { incidentId } = await box.coordinator.reportCrossing(crossing("front", now));
  await box.coordinator.reportCrossing(crossing("stock", now + 1));
  return incidentId ?? "";
}

export const actionOf = async (box: Box, id: string): Promise<Action | undefined> =>
  (await box.coordinator.getIncident({ id })).actions.at(-1);

export const until = (box: Box, id: string, state: Action["state"]) =>
  eventually(async () => expect(await actionOf(box, id)).toMatchObject({ state }));

export const begun = () => eventually(() => expect(world.puppet.running).toHaveLength(1));

/** What was done took effect. */
export function repair(undo: { skill: string; params: Record<string, never> } | null = null): void {
  world.stockMs = 4;
  world.latency = 4;
  world.puppet.running[0]?.succeed(
    "done",
    { kind: "restart", target: "stock-host", summary: "It was restarted." },
    undo,
  );
}
