import { defineService, implement } from "seedcore";
import { cart, front } from "../contracts.ts";
import { createWork } from "../fault.ts";

export default defineService(front, ({ client }) => {
  const carts = client(cart);
  const { work, fault } = createWork(3);
  return implement(front, {
    async buy({ items }, { signal }) {
      await work();
      return carts.quote({ items }, { signal });
    },
    fault,
  });
});
