import { expect, it } from "vitest";
import { z } from "zod";
import { Ingested } from "./ml.ts";

const counts = { accepted: 1, late: 0, rejected: 0, crossings: [] };
const answerWith = (scores: string) =>
  JSON.parse(`${JSON.stringify(counts).slice(0, -1)},"scores":${scores}}`) as unknown;

// A column may be called so, and its points are stored as any other's.
it("the scores of a series called __proto__ are in the answer", () => {
  const answer = Ingested.parse(answerWith(`{"__proto__":[0.5],"a":[0]}`));
  expect(JSON.stringify(answer.scores)).toBe(`{"__proto__":[0.5],"a":[0]}`);
});

it("what is no list of numbers by series is refused", () => {
  for (const scores of ["[]", "null", "1", `{"a":1}`, `{"a":["x"]}`]) {
    expect(Ingested.safeParse(answerWith(scores)).success).toBe(false);
  }
});

it("and the description says what it is", () => {
  expect(z.toJSONSchema(Ingested, { unrepresentable: "any" }).properties?.["scores"]).toEqual({
    type: "object",
    additionalProperties: { type: "array", items: { type: "number" } },
  });
});
