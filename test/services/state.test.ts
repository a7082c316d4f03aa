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
