import { afterEach, beforeEach, expect, it } from "vitest";
import { type Box, openBox } from "./organism-in-a-box.ts";
import { temporaryPlace } from "../temporary-place.ts";

let place: Awaited<ReturnType<typeof temporaryPlace>>;
let boxes: Box[];

beforeEach(async () => {
  place = await temporaryPlace();
  boxes = [await openBox({ place, replicaId: "a" }), await openBox({ place, replicaId: "b" })];
});

afterEach(async () => {
  for (const box of boxes) await box.close();
  await place.remove();
});

const [first, second] = [() => boxes[0] as Box, () => boxes[1] as Box];

// Each replica has an index of its own: what one stored, or replaced, the other must find, and find anew.
it("finds on every replica what any of them stored last", async () => {
  const one = { id: "m1", kind: "incident", text: "disk of host full" };
  const stored = await first().state.remember(one);
  expect((await second().state.search({ query: "disk" })).hits.map(({ memory }) => memory)).toEqual([stored]);
  const replaced = await second().state.remember({ ...one, text: "network of host slow" });
  expect(replaced.createdAtMs).toBe(stored.createdAtMs);
  expect((await first().state.search({ query: "disk" })).hits).toEqual([]);
  expect((await first().state.search({ query: "network", kind: "incident" })).hits).toHaveLength(1);
  expect((await first().state.search({ query: "network", kind: "note" })).hits).toEqual([]);
  expect(await second().state.memory({ id: "m1" })).toEqual(replaced);
  expect(await second().state.memory.try({ id: "m2" })).toMatchObject({ error: { code: "UNKNOWN_MEMORY" } });
});

it("builds its index from what is stored when it starts", async () => {
  await first().state.remember({ id: "m1", kind: "note", text: "the printer is on fire" });
  const third = await openBox({ place, replicaId: "c" });
  boxes.push(third);
  expect((await third.state.search({ query: "Fire?" })).hits.map(({ memory }) => memory.id)).toEqual(["m1"]);
});

// An organism that got no answer sends the same batch again: it must not count twice.
it("adds a batch of outcomes once, whoever takes it", async () => {
  const outcome = { agent: "x", organ: "o", succeeded: 1, failed: 0, roles: { E: 1, S: 0, O: 0 } };
  const batch = { batchId: "b1", outcomes: [outcome] };
  expect(await first().state.recordOutcomes(batch)).toEqual({ agents: 1 });
  expect(await second().state.recordOutcomes(batch)).toEqual({ agents: 0 });
  await Promise.all([first(), second()].map((box, i) => box.state.recordOutcomes({ ...batch, batchId: `c${i}` })));
  const [agent] = (await first().state.agents({ organ: "o" })).agents;
  expect(agent).toMatchObject({ id: "x", succeeded: 3, failed: 0, roles: { E: 1, S: 0, O: 0 } });
  expect(agent?.capability).toBeCloseTo(1 - 0.5 * 0.9 ** 3, 12);
});

// A share that is nothing is nothing for ever, and shares that do not sum to 1 are refused by energy.
it("moves an agent's roles by what they brought, back to where they began, and never to nothing", async () => {
  const prior = { E: 0.7, S: 0.2, O: 0.1 };
  const outcome = { agent: "x", organ: "o", succeeded: 0, failed: 0, roles: prior };
  let batches = 0;
  const record = (gains: object, times: number) =>
    [first(), second()][batches % 2]?.state.recordOutcomes({
      batchId: `b${batches++}`,
      outcomes: Array.from({ length: times }, () => ({ ...outcome, gains: { E: 0, S: 0, O: 0, ...gains } })),
    });
  const roles = async () => {
    const found = (await first().state.agents({ organ: "o" })).agents[0]?.roles ?? { E: 0, S: 0, O: 0 };
    expect(found.E + found.S + found.O).toBeCloseTo(1, 9);
    return found;
  };
  await record({}, 1);
  expect(await roles()).toEqual(prior);
  await record({ E: -0.5 }, 1);
  const weight = prior.E * Math.exp(-0.05);
  expect((await roles()).E).toBeCloseTo((0.99 * weight) / (weight + 0.3) + 0.01 * prior.E, 12);
  await Promise.all([record({ E: -1e6 }, 20), record({ E: -1e6 }, 20)]);
  const moved = await roles();
  expect(moved.E).toBeLessThan(0.02);
  expect(moved.E).toBeGreaterThanOrEqual(0.01 * prior.E);
  expect(moved.S).toBeGreaterThan(moved.O);
  await record({}, 900);
  const back = await roles();
  for (const role of ["E", "S", "O"] as const) expect(back[role]).toBeCloseTo(prior[role], 3);
  const wrong = { ...outcome, roles: { E: 1, S: 1, O: 1 } };
  expect(
    await first()
      .state.recordOutcomes.try({ batchId: "c", outcomes: [wrong] })
      .catch(String),
  ).toContain("sum to 1");
});

const CASE = {
  signature: ["stock/latency:up", "front/latency:up"],
  cause: { service: "stock", kind: "latency" as const },
  action: { skill: "restart-host", target: "stock" },
  helped: true,
};

// A replica that answered from an index of its own alone would send people the long way again.
it("recalls on every replica the cases that any of them stored, and none that any of them forgot", async () => {
  await first().state.putCase({ ...CASE, id: "inc_1" });
  const recall = (box: Box) => box.state.recallCases({ signature: CASE.signature });
  expect((await recall(second())).cases).toMatchObject([{ id: "inc_1", likeness: 1, helped: true }]);
  await second().state.putCase({ ...CASE, id: "inc_1", helped: false });
  expect((await recall(first())).cases).toMatchObject([{ id: "inc_1", helped: false }]);
  expect(await second().state.forgetCases({})).toEqual({ forgotten: 1 });
  expect(await recall(first())).toEqual({ cases: [], known: 0 });
  await first().state.putCase({ ...CASE, id: "inc_2" });
  expect((await recall(second())).cases).toMatchObject([{ id: "inc_2" }]);
});

// The ids were joined with a slash: the report of one case was taken for a repeated one of another.
it("weighs each report of each case once, whoever takes it", async () => {
  for (const id of ["a", "a/b"]) await first().state.putCase({ ...CASE, id });
  const report = { id: "a", reportId: "b/c", misled: true };
  expect(await first().state.weighCase(report)).toEqual({ weight: 0.25 });
  expect(await second().state.weighCase(report)).toEqual({ weight: 0.25 });
  expect(await second().state.weighCase({ id: "a/b", reportId: "c", misled: true })).toEqual({ weight: 0.25 });
  const both = [first(), second()].map((box, i) => box.state.weighCase({ ...report, reportId: `r${i}` }));
  await Promise.all(both);
  expect((await first().state.cases({})).cases.find(({ id }) => id === "a")?.weight).toBe(0.0625);
});

// The report outlived its case: when the case came again, its first report was taken for a repeated one.
it("leaves no report behind of what is forgotten meanwhile", async () => {
  for (let round = 0; round < 20; round++) {
    await first().state.putCase({ ...CASE, id: "inc_1" });
    await Promise.all([
      first().state.weighCase.try({ id: "inc_1", reportId: "r", misled: true }),
      second().state.forgetCases({}),
    ]);
    await first().state.putCase({ ...CASE, id: "inc_1" });
    expect(await first().state.weighCase({ id: "inc_1", reportId: "r", misled: true })).toEqual({ weight: 0.25 });
    await first().state.forgetCases({});
  }
});
