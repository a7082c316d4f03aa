import { defineService, implement } from "seedcore";
import { stock } from "../contracts.ts";
import { createWork } from "../fault.ts";

export default defineService(stock, () => {
  const { work, fault } = createWork(4);
  return implement(stock, {
    async count({ item }) {
      await work();
      return { count: item.length };
    },
    fault,
  });
});
