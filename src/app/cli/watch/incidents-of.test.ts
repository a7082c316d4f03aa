import { expect, it } from "vitest";
import type { Crossing } from "#contracts/ml.ts";
import { ServiceError } from "#core/service-error.ts";
import { createFakeClock, type FakeClock } from "#testing/fake-clock.ts";
import type { Connection } from "../../connect.ts";
import { incidentsOf, incidentsOfSources } from "./incidents-of.ts";

const crossing: Crossing = {
  id: "shop/value@1",
  source: "shop",
  series: "value",
  startedAtMs: 1,
  value: 9,
  expected: 1,
  spread: 1,
  score: 1,
  direction: "up",
};
const incident = { id: "inc_1", series: ["shop/value"], openedAtMs: 1, updatedAtMs: 1 };

/** A coordinator that is away for its first three calls; `knowsAfterMs` says when triage has the crossing. */
function connectionTo(clock: FakeClock, knowsAfterMs = 0) {
  let calls = 0;
  const away = () => {
    if (++calls <= 3) throw new ServiceError("CONNECTION_LOST", "read ECONNRESET");
  };
  const coordinator = {
    async listIncidents() {
      away();
      return { incidents: clock.monotonic() >= knowsAfterMs ? [incident] : [], total: 1 };
    },
    async getIncident() {
      away();
      return { ...incident, crossings: [crossing], changes: [], story: [], tasks: [] };
    },
  };
  return { getServiceClient: () => coordinator } as unknown as Pick<Connection, "getServiceClient">;
}

const signal = new AbortController().signal;

// Everything is stored by then: a coordinator that was killed must not make the watch fail at its last step.
it("waits for the coordinator when it is away", async () => {
  const clock = createFakeClock();
  const found = incidentsOf([crossing], connectionTo(clock), clock, signal);
  const ofSources = incidentsOfSources(["shop"], connectionTo(clock), clock, signal);
  await clock.advance(10_000);
  expect((await found).map(({ id }) => id)).toEqual(["inc_1"]);
  expect((await ofSources).map(({ id }) => id)).toEqual(["inc_1"]);
});

it("gives triage its time after the coordinator is back, not while it is away", async () => {
  const clock = createFakeClock();
  const found = incidentsOf([crossing], connectionTo(clock, 4_000), clock, signal);
  await clock.advance(10_000);
  expect((await found).map(({ id }) => id)).toEqual(["inc_1"]);
});
