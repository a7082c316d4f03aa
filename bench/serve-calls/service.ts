/** Calls the deployment of model.py as a service on Ray does, and counts. */
import { defineContract, defineService, implement, procedure, z } from "seedcore";

const model = defineContract("no-op-model", {
  summary: "What model.py offers.",
  state: "none",
  procedures: {
    double: procedure({
      summary: "Twice the number.",
      method: "POST",
      path: "/double",
      input: z.object({ number: z.int() }),
      output: z.object({ number: z.int() }),
      idempotent: true,
    }),
  },
});

export const caller = defineContract("caller", {
  summary: "Calls the model.",
  state: "none",
  procedures: {
    burst: procedure({
      summary: "As many callers as wanted, each calling again when it has its answer.",
      method: "POST",
      path: "/burst",
      input: z.object({ callers: z.int(), durationMs: z.int() }),
      output: z.object({ callsPerSecond: z.number() }),
      deadlineMs: 30_000,
    }),
  },
});

export default defineService(caller, (context) => {
  const { double } = context.serve("no-op/Model", model);
  return implement(caller, {
    async burst({ callers, durationMs }) {
      let calls = 0;
      const startedAtMs = performance.now();
      const call = async () => {
        for (; performance.now() < startedAtMs + durationMs; calls++) {
          const { number } = await double({ number: calls });
          if (number % 2 !== 0) throw new Error(`${number} is no double.`);
        }
      };
      await Promise.all(Array.from({ length: callers }, call));
      return { callsPerSecond: calls / ((performance.now() - startedAtMs) / 1_000) };
    },
  });
});
