import { expect, it } from "vitest";
import type { Crossing } from "#contracts/ml.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { CoordinatorConfig } from "./config.ts";
import { clearCrossing, type IncidentRecord, joinIncident, openIncident, resolveIncident } from "./incident.ts";
import { createIncidentFeed } from "./incident-feed.ts";
import { createOpenIncidents } from "./open-incidents.ts";

const limits = CoordinatorConfig.parse({}).incidents;
const crossing = (series: string): Crossing => ({
  id: `host/${series}@1`,
  source: "host",
  series,
  startedAtMs: 1,
  value: 20,
  expected: 10,
  spread: 1,
  score: 1,
  direction: "up",
});

// What joined by a write that failed half-way was known when it was reported again: nobody thought about it.
it("read anew, tells of which more has moved, shows what is not as it was, and lets go of what is over", async () => {
  const cpu = openIncident("inc_cpu", crossing("cpu"), 1, limits);
  const load = openIncident("inc_load", crossing("load"), 1, limits);
  const disk = openIncident("inc_disk", crossing("disk"), 1, limits);
  let stored: IncidentRecord[] = [cpu, load, disk];
  const over: string[] = [];
  const feed = createIncidentFeed();
  const open = createOpenIncidents({
    write: async () => [],
    store: {
      open: async () => stored,
      get: async () => resolveIncident(disk, 9),
      put: () => expect.unreachable(),
      tell: () => expect.unreachable(),
    },
    feed,
    log: createMemoryLogger(),
    changed() {},
    over: (id) => void over.push(id),
    clock: createFakeClock(),
  });
  expect(await open.read()).toHaveLength(3);

  const ended = new AbortController();
  const shown: string[] = [];
  const watching = (async () => {
    for await (const { id, state } of feed.watch(async () => [], ended.signal)) shown.push(`${id} ${state}`);
  })();
  const quiet = clearCrossing(cpu, "host/cpu@1", 5, 5);
  stored = [joinIncident(quiet, crossing("memory"), 7, limits), load];
  expect((await open.read()).map(({ id }) => id)).toEqual(["inc_cpu"]);
  expect(over).toEqual(["inc_disk"]);
  await expect.poll(() => shown).toEqual(["inc_cpu open", "inc_disk resolved"]);
  expect(await open.read()).toEqual([]);
  ended.abort();
  await watching;
  expect(shown).toHaveLength(2);
});
