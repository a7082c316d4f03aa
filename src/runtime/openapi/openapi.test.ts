import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineContract, procedure } from "#core/contract.ts";
import { DOCS_CSP, toDocsPage } from "./docs-page.ts";
import { toOpenApi } from "./openapi.ts";
import { toTypeText } from "./type-text.ts";

const garden = defineContract("garden", {
  summary: "Plants & <beds>.",
  state: "sharded",
  procedures: {
    plant: procedure({
      summary: "Plants something.",
      method: "POST",
      path: "/beds/{bed}/plants",
      shardBy: "bed",
      input: z.object({
        bed: z.string().min(1),
        kind: z.enum(["rose", "oak"]),
        notes: z.record(z.string(), z.json()).default({}),
      }),
      output: z.object({ id: z.int(), tree: z.json() }),
      errors: { BED_FULL: z.object({ size: z.int() }) },
    }),
    plants: procedure({
      summary: "The plants of a bed.",
      method: "GET",
      path: "/beds/{bed}/plants",
      shardBy: "bed",
      input: z.object({ bed: z.string(), limit: z.coerce.number().default(10) }),
      output: z.object({ at: z.tuple([z.number(), z.number().nullable()]) }),
    }),
    growth: procedure({
      summary: "Growth as it happens.",
      method: "GET",
      path: "/growth",
      input: z.object({}),
      output: z.object({ mm: z.number() }),
      stream: true,
    }),
  },
});
const api = toOpenApi([garden], "7");

describe("OpenAPI", () => {
  test("fields go where the contract says: path, query or body; defaults make them optional", () => {
    const { post, get } = api.paths["/garden/beds/{bed}/plants"] ?? {};
    expect(post?.parameters.map((parameter) => `${parameter.in} ${parameter.name}`)).toEqual([
      "path bed",
      "header idempotency-key",
    ]);
    expect(post?.requestBody?.content["application/json"]?.schema).toMatchObject({
      properties: { kind: { enum: ["rose", "oak"] }, notes: { type: "object" } },
      required: ["kind"],
    });
    expect(get?.parameters).toMatchObject([
      { name: "bed", in: "path", required: true },
      { name: "limit", in: "query", required: false },
    ]);
    expect(get?.requestBody).toBeUndefined();
  });

  test("declared errors are problems with their data; every operation needs a token", () => {
    const { post } = api.paths["/garden/beds/{bed}/plants"] ?? {};
    const { schema } = Object.values(post?.responses["422"]?.content ?? {})[0] ?? {};
    expect(JSON.stringify(schema?.anyOf)).toContain('"const":"BED_FULL"');
    expect(post?.security).toEqual([{ token: [] }]);
    expect(post?.["x-seedcore"]).toMatchObject({ scope: "operate", idempotent: false, shardBy: "bed" });
  });

  test("a stream answers events", () => {
    expect(Object.keys(api.paths["/garden/growth"]?.get?.responses["200"]?.content ?? {})).toEqual([
      "text/event-stream",
    ]);
  });

  test("every reference leads somewhere within the document", () => {
    const references: string[] = [];
    JSON.stringify(api, (key, value: unknown) => {
      if (key === "$ref") references.push(String(value));
      return value;
    });
    expect(new Set(references)).toEqual(new Set(["#/components/schemas/Problem"]));
    expect(api.components).toHaveProperty("schemas.Problem.properties.started");
  });

  test("the bounds of exact integers are not told", () => {
    expect(JSON.stringify(api)).not.toContain(String(Number.MAX_SAFE_INTEGER));
  });
});

describe("the page", () => {
  const page = toDocsPage(api);

  test("loads nothing, runs nothing, and escapes what contracts say", () => {
    expect(page).not.toMatch(/<script|<link|<img|src=|url\(/);
    expect(page).toContain("Plants &amp; &lt;beds&gt;.");
    expect(DOCS_CSP).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/=]+'/);
  });

  test("every link leads to a heading of the page", () => {
    const ids = new Set([...page.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]));
    const links = [...page.matchAll(/href="#([^"]+)"/g)].map((match) => match[1]);
    expect(links).toHaveLength(3);
    for (const link of links) expect(ids).toContain(link);
  });
});

test("types as people write them", () => {
  expect(toTypeText({ type: "array", items: { type: ["number", "null"] as unknown as string } })).toBe(
    "(number | null)[]",
  );
  expect(
    toTypeText({
      type: "object",
      properties: { a: { const: "x" }, b: { type: "array", prefixItems: [{ type: "number" }, {}] } },
      required: ["a"],
      additionalProperties: { type: "string" },
    }),
  ).toBe('{\n  a: "x";\n  b?: [number, any];\n  [name: string]: string;\n}');
});
