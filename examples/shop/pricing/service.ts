import { defineService, implement } from "seedcore";
import { pricing } from "../contracts.ts";
import { createWork } from "../fault.ts";

export default defineService(pricing, () => {
  const { work, fault } = createWork(4);
  return implement(pricing, {
    async price({ item }) {
      await work();
      return { price: 1 + (item.length % 7) };
    },
    fault,
  });
});
