import { expect, it } from "vitest";
import { sessionFinding } from "./diagnose-ray.ts";

// Every third session of such a head fails at first, and only a look at the number of tries shows it.
it("a session that took several tries is no fault, and doctor says what the head lacks", () => {
  expect(sessionFinding(1)).toEqual({ check: "ray session", state: "ok", text: "A session opened at once." });
  const { state, text, todo } = sessionFinding(3);
  expect(state).toBe("note");
  expect(text).toContain("at try 3");
  expect(todo).toContain("GRPC_ENABLE_FORK_SUPPORT=0");
});
