/** A crash test that cannot fail proves nothing: each kind of loss is shown to be found. */
import { describe, expect, it } from "vitest";
import { createSeriesScorer } from "#services/ml/series-scorer.ts";
import { unexcused } from "./call-log.ts";
import { checkIncidents, checkOnce, checkTasks, type StoredIncident } from "./check-coordinator.ts";
import { createSourceCheck, type StoredPoint, type StoredSource } from "./check-source.ts";
import { type Batch, type SourceLedger, sourceLedger } from "./ledger.ts";
import { seriesScript } from "./series-script.ts";

const POINTS = 40;

function ledgerOf(...batches: Batch[]): SourceLedger {
  const ledger = sourceLedger("source", [seriesScript(1, "source", "a"), seriesScript(1, "source", "b")]);
  ledger.batches.push(...batches);
  return ledger;
}

/** Ten points of each series. */
function batch(number: number, fate: Batch["fate"] = "acknowledged"): Batch {
  const [from, to] = [number * 10, number * 10 + 10];
  return {
    slices: [
      { series: 0, from, to },
      { series: 1, from, to },
    ],
    cursor: `${number}`,
    fate,
  };
}

/** What is stored when everything is as it should be, the batches in `absent` never having come. */
function storedOf(ledger: SourceLedger, absent: readonly number[] = []): StoredSource & { points: StoredPoint[][] } {
  const points = ledger.series.map((script) => {
    const scorer = createSeriesScorer();
    return Array.from({ length: POINTS }, (_, index) => index)
      .filter((index) => !absent.includes(Math.floor(index / 10)))
      .map((index): StoredPoint => {
        const [timestampMs, value] = script.point(index);
        return [timestampMs, value, scorer.update(value, timestampMs).score];
      });
  });
  const cursor = [3, 2, 1, 0].find((number) => !absent.includes(number));
  return { cursor: `${cursor}`, points, counts: points.map(({ length }) => length) };
}

const all = () => ledgerOf(batch(0), batch(1), batch(2), batch(3));

describe("the check of a source", () => {
  it("accepts exactly what was acknowledged", () => {
    const ledger = all();
    expect(createSourceCheck(ledger).check(storedOf(ledger), [])).toBeUndefined();
  });

  it("accepts a batch of unknown fate, stored or not", () => {
    const ledger = ledgerOf(batch(0), batch(1, "unknown"), batch(2), batch(3));
    expect(createSourceCheck(ledger).check(storedOf(ledger), [])).toBeUndefined();
    expect(createSourceCheck(ledger).check(storedOf(ledger, [1]), [])).toBeUndefined();
  });

  it.each<[string, (stored: ReturnType<typeof storedOf>) => void, RegExp]>([
    ["a lost point", ({ points }) => points[1]?.splice(15, 1), /source\/b point 15 .* is missing/],
    ["a lost end", ({ points }) => points[0]?.splice(30), /source\/a point 30 .* is missing/],
    ["a point twice", ({ points }) => points[0]?.splice(5, 0, points[0][5] as StoredPoint), /point 6 .* is missing/],
    ["the last point twice", ({ points }) => points[0]?.push(points[0][39] as StoredPoint), /is there twice/],
    ["a point nobody sent", ({ points }) => points[1]?.push([9e14, 1, 0]), /never sent/],
    [
      "two points exchanged",
      ({ points }) => points[0]?.splice(3, 2, points[0][4] as StoredPoint, points[0][3] as StoredPoint),
      /missing/,
    ],
    ["another value", ({ points }) => points[0]?.splice(7, 1, [points[0]?.[7]?.[0] ?? 0, 1, 0]), /has the value 1/],
    [
      "a score that is not the uninterrupted one",
      ({ points }) => points[0]?.splice(7, 1, [points[0]?.[7]?.[0] ?? 0, points[0]?.[7]?.[1] ?? 0, 0.123]),
      /has the score 0.123/,
    ],
    ["a wrong count", ({ counts }) => (counts as number[]).splice(0, 1, 41), /counts 41 points instead of 40/],
  ])("finds %s", (_what, damage, message) => {
    const ledger = all();
    const stored = storedOf(ledger);
    damage(stored);
    expect(createSourceCheck(ledger).check(stored, [])).toMatch(message);
  });

  it("finds half a batch, and a cursor that runs ahead of its points or behind them", () => {
    const ledger = ledgerOf(batch(0), batch(1), batch(2), batch(3, "unknown"));
    const half = storedOf(ledger);
    half.points[1]?.splice(30);
    expect(createSourceCheck(ledger).check(half, [])).toMatch(/of batch 3 only 1 of 2 series/);
    expect(createSourceCheck(ledger).check({ ...storedOf(ledger, [3]), cursor: "3" }, [])).toMatch(
      /cursor 3 instead of 2/,
    );
    expect(createSourceCheck(ledger).check({ ...storedOf(ledger), cursor: "2" }, [])).toMatch(/cursor 2 instead of 3/);
  });
});

describe("the check of what has a marker", () => {
  const sent = [
    { marker: "known", id: "1" },
    { marker: "unknown", id: undefined },
  ];

  it("finds the lost, the doubled and the foreign, and leaves the unknown alone", () => {
    expect(checkOnce("task", sent, [{ id: "1", marker: "known" }])).toEqual([]);
    expect(checkOnce("task", sent, [])).toEqual(["task known was acknowledged as 1 and is not there"]);
    expect(checkOnce("task", sent, [{ id: "2", marker: "known" }])).toEqual([
      "task known was acknowledged as 1 and is there as 2",
    ]);
    const doubled = ["1", "2", "3"].map((id) => ({ id, marker: id === "1" ? "known" : "unknown" }));
    expect(checkOnce("task", sent, doubled)).toEqual(["task unknown is there 2 times: 2, 3"]);
    const foreign = [
      { id: "1", marker: "known" },
      { id: "9", marker: "foreign" },
    ];
    expect(checkOnce("task", sent, foreign)).toEqual(["task foreign (9) was never sent"]);
  });

  it("finds a task that did not succeed", () => {
    const task = { id: "1", description: "known", state: "running", error: null };
    expect(checkTasks(sent, [task])).toEqual(["task 1 (known) is running"]);
  });
});

describe("the check of incidents", () => {
  const incident: StoredIncident = {
    id: "i",
    decision: { taskId: "t" },
    crossings: [{ id: "c" }],
    story: [{ kind: "noticed" }, { kind: "decided" }, { kind: "acted" }, { kind: "outcome" }],
    tasks: [{ id: "t", state: "succeeded" }],
  };
  const link = { crossing: "c", incident: "i" };

  it("accepts a crossing in one incident that was acted on once", () => {
    expect(checkIncidents(["c"], ["c"], [link], [incident])).toEqual([]);
  });

  it.each<[string, Parameters<typeof checkIncidents>, RegExp]>([
    ["a lost crossing", [["c", "d"], ["c"], [link], [incident]], /crossing d is part of 0 incidents/],
    ["a crossing in two", [["c"], [], [link, { crossing: "c", incident: "j" }], [incident]], /part of 2 incidents/],
    ["an invented crossing", [[], [], [link], [incident]], /crossing c never happened/],
    ["an answer that told of none that was", [["c"], ["x"], [link], [incident]], /crossing x was acknowledged/],
    ["a crossing it does not show", [["c"], [], [link], [{ ...incident, crossings: [] }]], /does not show/],
    [
      "two tasks",
      [["c"], [], [link], [{ ...incident, tasks: [...incident.tasks, { id: "u", state: "succeeded" }] }]],
      /has the tasks t, u/,
    ],
    [
      "a task that did not run",
      [["c"], [], [link], [{ ...incident, tasks: [{ id: "t", state: "queued" }] }]],
      /is queued/,
    ],
    [
      "a story told twice",
      [["c"], [], [link], [{ ...incident, story: [...incident.story, ...incident.story] }]],
      /begun 2 times/,
    ],
  ])("finds %s", (_what, [mustBe, acknowledged, links, incidents], message) => {
    expect(checkIncidents(mustBe, acknowledged, links, incidents).join("\n")).toMatch(message);
  });
});

describe("what a kill excuses", () => {
  const outages = new Map([["ml", { killedAtMs: 100, recoveredAtMs: 200 }]]);
  const failure = {
    service: "ml",
    call: "ingest",
    startedAtMs: 90,
    endedAtMs: 110,
    code: "CONNECTION_LOST",
    message: "lost",
  };

  it("is a passing failure of what was killed, while it was away", () => {
    expect(unexcused([failure], outages)).toEqual([]);
  });

  it.each([
    ["another service", { service: "coordinator" }, /nothing that serves it was killed/],
    ["before the kill", { endedAtMs: 99 }, /before anything was killed/],
    ["after the service was back", { startedAtMs: 230, endedAtMs: 240 }, /30 ms after the service was back/],
    ["a defect", { code: "INTERNAL" }, /no failure of a crash/],
  ])("is not a failure of %s", (_what, change, message) => {
    expect(unexcused([{ ...failure, ...change }], outages).join()).toMatch(message);
  });
});
