/** The smallest service: one procedure, no state. Deploy it with `seedcore deploy examples/greeter`. */
import { defineContract, defineService, implement, procedure, z } from "seedcore";

export const greeter = defineContract("greeter", {
  summary: "Greets people.",
  state: "none",
  procedures: {
    greet: procedure({
      summary: "Greets somebody by name.",
      method: "GET",
      path: "/people/{name}",
      input: z.object({ name: z.string().min(1).max(100), language: z.enum(["en", "fr"]).default("en") }),
      output: z.object({ text: z.string(), by: z.string() }),
    }),
  },
});

export default defineService(greeter, ({ replicaId }) =>
  implement(greeter, {
    async greet({ name, language }) {
      return { text: `${language === "fr" ? "Bonjour" : "Hello"} ${name}`, by: replicaId };
    },
  }),
);
