import { expect, it } from "vitest";
import type { Crossing } from "#contracts/ml.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { CoordinatorConfig } from "./config.ts";
import { openIncident } from "./incident.ts";
import { createIncidentFeed } from "./incident-feed.ts";
import { createOpenIncidents } from "./open-incidents.ts";
import { createQuiet } from "./quiet.ts";

const HOUR_MS = 3_600_000;
const config = CoordinatorConfig.parse({ incidents: { quietMs: 120_000, holdMs: 120_000 } });
const crossing = {
  id: "host/cpu@1",
  source: "host",
  series: "cpu",
  startedAtMs: 1,
  value: 20,
  expected: 10,
  spread: 1,
  score: 1,
  direction: "up",
} as Crossing;

// Set forward, the clock ended every incident that burned; set back, none was over for as long.
it.each([HOUR_MS, -HOUR_MS])("is as long whether the wall clock jumps by %i ms or not", async (jumpMs) => {
  const clock = createFakeClock();
  const none = { sql: "", parameters: [], query: {} } as never;
  const open = createOpenIncidents({
    write: async () => [],
    store: { open: async () => [], get: async () => undefined, put: () => none, tell: () => none },
    feed: createIncidentFeed(),
    log: createMemoryLogger(),
    changed() {},
    over() {},
    clock,
  });
  const quiet = createQuiet({
    open,
    actions: { ending: () => ({ statements: [], stored() {} }) },
    remember: () => none,
    outbox: { kick() {} },
    clock,
    config: () => config,
  });
  await open.put(1, openIncident("inc_1", crossing, clock.now(), config.incidents), []);
  clock.jump(jumpMs);
  await clock.advance(119_000);
  await quiet.resolve(1);
  expect(open.count()).toBe(1);
  expect(quiet.nextMs() - clock.now()).toBe(1_000);
  await clock.advance(1_000);
  await quiet.resolve(1);
  expect(open.count()).toBe(0);
});
