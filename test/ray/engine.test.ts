import { afterAll, inject } from "vitest";
import { isRunning } from "#app/run-file.ts";
import { describeEngine } from "#runtime/engine/engine.conformance.ts";
import { callToy } from "../engine/toy.ts";
import { createToyEngines } from "./toy-engine.ts";

const { spec, create, close } = await createToyEngines(inject("ray"));
afterAll(close);

describeEngine("ray", {
  spec,
  erring: (errorsInTen) => ({ ...spec, env: { TOY_ERRORS: String(errorsInTen) } }),
  failing: (message) => ({ ...spec, env: { TOY_FAIL: message } }),
  call: callToy,
  settlesWithinMs: 90_000,
  failsWithinMs: 40_000,
  signal: ({ pid }, signal) => process.kill(pid ?? 0, signal),
  isAlive: ({ pid }) => pid !== undefined && isRunning({ pid, processStart: null }),
  create,
});
