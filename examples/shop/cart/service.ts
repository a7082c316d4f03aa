import { defineService, implement } from "seedcore";
import { cart, pricing, stock } from "../contracts.ts";
import { createWork } from "../fault.ts";

export default defineService(cart, ({ client }) => {
  const prices = client(pricing);
  const stocks = client(stock);
  const { work, fault } = createWork(3);
  return implement(cart, {
    async quote({ items }, { signal }) {
      await work();
      let total = 0;
      let isAvailable = true;
      for (const item of items) {
        const { count } = await stocks.count({ item }, { signal });
        const { price } = await prices.price({ item }, { signal });
        total += price;
        isAvailable &&= count > 0;
      }
      return { total, isAvailable };
    },
    fault,
  });
});
