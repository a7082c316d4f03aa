import { expect, it } from "vitest";
import { createCallMetrics, createRegistry } from "../telemetry/metrics.ts";
import { parseFigures } from "./call-figures.ts";

// A mistake of a caller, or a refusal that every rollout brings, must not take a good version back.
it("counts as errors what is the host's fault, in the metrics a host really writes", async () => {
  const registry = createRegistry({ host: "ml", replica: 'odd "}name' });
  const none = () => 0;
  const metrics = createCallMetrics(registry, { inFlight: none, queued: none, streams: none });
  const codes = ["OK", "OK", "INTERNAL", "DEADLINE", "OVERLOADED"];
  const harmless = ["INVALID_INPUT", "NOT_FOUND", "CANCELLED", "DRAINING", "NOT_OWNER", "NOT_READY", "UNKNOWN_HOST"];
  for (const code of [...codes, ...harmless]) metrics.ended("ml", 'has code="INTERNAL"', code, 0.1);
  expect(parseFigures(await registry.metrics())).toEqual({ calls: 12, errors: 3 });
  expect(parseFigures("")).toEqual({ calls: 0, errors: 0 });
});
