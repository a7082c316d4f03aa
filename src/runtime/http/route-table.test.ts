import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineContract, procedure, toPath } from "#core/contract.ts";
import { RouteTable } from "./route-table.ts";

const answer = { summary: "", output: z.object({}) };
const shop = defineContract("shop", {
  summary: "",
  state: "sharded",
  procedures: {
    root: procedure({ ...answer, method: "GET", path: "/", input: z.object({}) }),
    one: procedure({
      ...answer,
      method: "GET",
      path: "/items/{id}",
      shardBy: "id",
      input: z.object({ id: z.string() }),
    }),
    live: procedure({ ...answer, method: "GET", path: "/items/live", input: z.object({}) }),
    part: procedure({
      ...answer,
      method: "PUT",
      path: "/{shop}/items/{id}",
      shardBy: "id",
      input: z.object({ shop: z.string(), id: z.string() }),
    }),
  },
});
const table = new RouteTable(Object.values(shop.procedures).map((procedure) => ({ contract: shop, procedure })));
const nameOf = (method: string, url: string) => {
  const procedure = table.find(method, url)?.to.procedure;
  return Object.entries(shop.procedures).find(([, declared]) => declared === procedure)?.[0];
};

describe("addresses", () => {
  test("literal segments go before parameters, the query is passed over, the method counts", () => {
    expect(nameOf("GET", "/shop/items/live")).toBe("live");
    expect(nameOf("GET", "/shop/items/live?x=/items/7")).toBe("live");
    expect(nameOf("GET", "/shop/items/7")).toBe("one");
    expect(nameOf("GET", "/shop")).toBe("root");
    expect(nameOf("PUT", "/shop/x/items/7")).toBe("part");
    for (const [method, url] of [
      ["POST", "/shop/items/7"],
      ["GET", "/shop/items/"],
      ["GET", "/shop/items"],
      ["GET", "/shop/items/7/8"],
      ["GET", "/other/items/7"],
      ["GET", "//shop/items/7"],
      ["GET", "shop/items/7"],
    ] as const) {
      expect(nameOf(method, url), `${method} ${url}`).toBeUndefined();
    }
  });

  test("whatever the parameters, what is read from the path is what the client put there", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1 }), fc.string({ minLength: 1 }), (id, name) => {
        fc.pre(id.isWellFormed() && name.isWellFormed() && id !== "live");
        expect(table.find("GET", toPath("shop", shop.procedures.one, { id }))?.parameters).toEqual({ id });
        expect(table.find("PUT", toPath("shop", shop.procedures.part, { shop: name, id }))?.parameters).toEqual({
          shop: name,
          id,
        });
      }),
    );
  });

  test("a wrongly encoded parameter is refused rather than sent to the wrong owner", () => {
    expect(() => table.find("GET", "/shop/items/%E0%A4%A")).toThrow("percent-encoded");
  });

  test("of a service or not", () => {
    expect(["/shop", "/shop?x", "/shop/", "/shop/x/y"].map((url) => table.isOfService(url))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(["/", "", "/shopping", "/-/ping", "shop"].map((url) => table.isOfService(url))).toEqual(
      Array(5).fill(false),
    );
  });
});
