import { expect, test } from "vitest";
import { z } from "zod";
import { type Contract, defineContract, procedure } from "#core/contract.ts";
import { ContractDescription, describeContract, fromDescription } from "./contract-description.ts";
import { toOpenApi } from "./openapi/openapi.ts";

const shop = defineContract("shop", {
  summary: "Orders.",
  state: "none",
  procedures: {
    order: procedure({
      summary: "Takes an order.",
      method: "POST",
      path: "/orders/{customer}",
      input: z.object({
        customer: z.string().min(1).describe("Who orders"),
        items: z.array(z.object({ sku: z.string(), count: z.int().min(1).default(1) })).min(1),
        note: z.string().optional(),
      }),
      output: z.object({ id: z.string() }),
      errors: { SOLD_OUT: z.object({ sku: z.string() }) },
    }),
  },
});

const travelled = (contract: Contract) =>
  fromDescription(ContractDescription.parse(JSON.parse(JSON.stringify(describeContract(contract)))));

// The gateway and `call` know a person's service by its description alone: what is lost in it, they get wrong.
test("described and read again, it is documented as before", () => {
  expect(toOpenApi([travelled(shop)], "1")).toEqual(toOpenApi([shop], "1"));
});

test("an input is checked as the contract says, defaults included", () => {
  const { input } = travelled(shop).procedures["order"] ?? expect.unreachable();
  const order = { customer: "ada", items: [{ sku: "a" }] };
  expect(input.parse(order)).toEqual({ customer: "ada", items: [{ sku: "a", count: 1 }] });
  for (const wrong of [{ ...order, customer: "" }, { ...order, items: [] }, { items: order.items }]) {
    expect(input.safeParse(wrong).success).toBe(false);
  }
});
