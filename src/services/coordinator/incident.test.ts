import { describe, expect, it } from "vitest";
import type { Crossing } from "#contracts/ml.ts";
import { CoordinatorConfig } from "./config.ts";
import { clearCrossing, isNearby, joinIncident, openIncident, placeCrossing, quietAtMs } from "./incident.ts";

const limits = CoordinatorConfig.parse({}).incidents;

function crossing(series: string, startedAtMs: number, distance = 5): Crossing {
  const source = "host";
  const id = `${source}/${series}@${startedAtMs}`;
  return { id, source, series, startedAtMs, value: 10 + distance, expected: 10, spread: 1, score: 1, direction: "up" };
}

describe("correlation", () => {
  const first = openIncident("inc_1", crossing("cpu", 1_000_000), 1_000_000, limits);

  it("joins series that move together, and keeps apart what is far in time", () => {
    expect(placeCrossing(crossing("load", 1_100_000), [first], limits)).toBe(first);
    expect(placeCrossing(crossing("load", 1_130_000), [first], limits)).toBeUndefined();
    expect(placeCrossing(crossing("load", 870_000), [first], limits)).toBeUndefined();
  });

  // A replayed week arrives within a minute: its incidents must not become one.
  it("goes by the time of the data, also for the same series", () => {
    expect(placeCrossing(crossing("cpu", 1_500_000), [first], limits)).toBe(first);
    expect(placeCrossing(crossing("cpu", 2_000_000), [first], limits)).toBeUndefined();
  });

  it("prefers the incident that has the series to a nearer one", () => {
    const other = openIncident("inc_2", crossing("load", 1_300_000), 1_300_000, limits);
    expect(placeCrossing(crossing("cpu", 1_310_000), [other, first], limits)).toBe(first);
  });

  it("grows worse with distance and with company, names the first mover first, and never lessens", () => {
    expect(first.severity).toBe("low");
    const joined = joinIncident(first, crossing("load", 1_000_500, 1), 1_001_000, limits);
    expect(joined).toMatchObject({ severity: "medium", title: "host/cpu moved up and 1 more" });
    const earlier = joinIncident(joined, crossing("memory", 999_000, 30), 1_002_000, limits);
    expect(earlier).toMatchObject({
      severity: "high",
      openedAtMs: 999_000,
      series: ["host/memory", "host/cpu", "host/load"],
      title: "host/memory moved up and 2 more",
    });
    expect(joinIncident(earlier, crossing("cpu", 1_003_000, 1), 1_003_000, limits).severity).toBe("high");
  });

  it("waits for quiet, and longer while a crossing has not cleared", () => {
    expect(quietAtMs(first, limits)).toBe(1_000_000 + limits.holdMs);
    const cleared = clearCrossing(first, "host/cpu@1000000", 1_059_000, 1_060_000);
    expect(quietAtMs(cleared, limits)).toBe(1_060_000 + limits.quietMs);
  });

  // What lasted for hours and flares up a minute after it cleared is not over, and not a second incident.
  it("counts quiet from when a series cleared, not from when it crossed", () => {
    const twoHoursLaterMs = 1_000_000 + 7_200_000;
    const cleared = clearCrossing(first, "host/cpu@1000000", twoHoursLaterMs, twoHoursLaterMs);
    expect(placeCrossing(crossing("cpu", twoHoursLaterMs + 60_000), [cleared], limits)).toBe(cleared);
    expect(placeCrossing(crossing("cpu", twoHoursLaterMs + limits.quietMs + 1), [cleared], limits)).toBeUndefined();
  });

  it("shows a change with what was under way in the time of the data, not with a past that was replayed", () => {
    const isNear = (incident: typeof first, atMs: number) => isNearby(incident, atMs, limits);
    expect(isNear(first, 1_000_000 - limits.changeMs)).toBe(true);
    expect(isNear(first, 1_000_000 - limits.changeMs - 1)).toBe(false);
    expect(isNear(first, 1_000_000 + limits.holdMs)).toBe(true);
    expect(isNear(first, 1_000_000 + limits.holdMs + 1)).toBe(false);
    const cleared = clearCrossing(first, "host/cpu@1000000", 1_060_000, 99_000_000);
    expect(isNear(cleared, 1_060_000 + limits.quietMs)).toBe(true);
    expect(isNear(cleared, 1_060_000 + limits.quietMs + 1)).toBe(false);
  });
});
