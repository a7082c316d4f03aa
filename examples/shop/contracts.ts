/** The contracts of the shop: front asks cart, cart asks pricing and stock. */
import { defineContract, procedure, z } from "seedcore";
import { fault } from "./fault.ts";

const Item = z.string().min(1).max(60);

export const front = defineContract("shop-front", {
  summary: "Where people buy.",
  state: "none",
  procedures: {
    buy: procedure({
      summary: "What a basket costs, if everything is there.",
      method: "POST",
      path: "/buy",
      input: z.object({ items: z.array(Item).min(1).max(20) }),
      output: z.object({ total: z.number(), isAvailable: z.boolean() }),
      idempotent: true,
    }),
    fault,
  },
});

export const cart = defineContract("shop-cart", {
  summary: "Sums up baskets.",
  state: "none",
  procedures: {
    quote: procedure({
      summary: "Price and availability of some items.",
      method: "POST",
      path: "/quote",
      input: z.object({ items: z.array(Item).min(1).max(20) }),
      output: z.object({ total: z.number(), isAvailable: z.boolean() }),
      idempotent: true,
    }),
    fault,
  },
});

export const pricing = defineContract("shop-pricing", {
  summary: "Knows prices.",
  state: "none",
  procedures: {
    price: procedure({
      summary: "The price of an item.",
      method: "GET",
      path: "/prices/{item}",
      input: z.object({ item: Item }),
      output: z.object({ price: z.number() }),
    }),
    fault,
  },
});

export const stock = defineContract("shop-stock", {
  summary: "Knows what is there.",
  state: "none",
  procedures: {
    count: procedure({
      summary: "How many of an item there are.",
      method: "GET",
      path: "/items/{item}",
      input: z.object({ item: Item }),
      output: z.object({ count: z.number() }),
    }),
    fault,
  },
});
