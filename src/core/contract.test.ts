import { expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { defineContract, type InputOf, procedure, toPath } from "./contract.ts";

const sample = defineContract("sample", {
  summary: "For these tests.",
  state: "sharded",
  procedures: {
    read: procedure({
      summary: "Reads.",
      method: "GET",
      path: "/items/{id}",
      shardBy: "id",
      input: z.object({ id: z.string(), limit: z.number().default(3) }),
      output: z.object({ n: z.number() }),
      errors: { GONE: z.object({ since: z.number() }) },
    }),
    follow: procedure({
      summary: "Follows.",
      method: "GET",
      path: "/items",
      input: z.object({}),
      output: z.number(),
      stream: true,
    }),
  },
});

test("types are inferred per procedure, not widened to the procedure's constraint", () => {
  expectTypeOf<InputOf<typeof sample.procedures.read>>().toEqualTypeOf<{ id: string; limit?: number | undefined }>();
  expectTypeOf(sample.procedures.read.stream).toEqualTypeOf<false>();
  expectTypeOf(sample.procedures.follow.stream).toEqualTypeOf<true>();
  expectTypeOf<keyof typeof sample.procedures.read.errors>().toEqualTypeOf<"GONE">();
});

test("a path parameter cannot break out of its segment", () => {
  expect(toPath("sample", sample.procedures.read, { id: "a/../b?c" })).toBe("/sample/items/a%2F..%2Fb%3Fc");
});

test("a declaration that contradicts itself is refused where it is written", () => {
  const output = z.object({});
  expect(() => procedure({ summary: "", method: "GET", path: "/{x}", input: z.object({}), output })).toThrow("{x}");
  expect(() =>
    procedure({ summary: "", method: "POST", path: "/", shardBy: "k", input: z.object({ k: z.string() }), output }),
  ).toThrow("must be in the path");
  const twice = { a: sample.procedures.follow, b: sample.procedures.follow };
  expect(() => defineContract("x", { summary: "", state: "none", procedures: twice })).toThrow("share the route");
});
