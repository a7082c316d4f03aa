import { expect, it } from "vitest";
import { sessionFinding, versionFinding } from "./diagnose-ray.ts";

// Every third session of such a head fails at first, and only a look at the number of tries shows it.
it("a session that took several tries is no fault, and doctor says what the head lacks", () => {
  expect(sessionFinding(1)).toEqual({ check: "ray session", state: "ok", text: "A session opened at once." });
  const { state, text, todo } = sessionFinding(3);
  expect(state).toBe("note");
  expect(text).toContain("at try 3");
  expect(todo).toContain("GRPC_ENABLE_FORK_SUPPORT=0");
});

// It said "ok" of a Ray that `up` refused a moment later.
it("a version of Ray that nobody has run it on is told as other commands take it", () => {
  expect(versionFinding("2.60.0", true)).toEqual([]);
  const [refused] = versionFinding("2.40.0", true);
  expect(refused).toMatchObject({ state: "bad", text: expect.stringContaining("Ray 2.40.0") });
  expect(refused?.todo).toContain("SEEDCORE_RAY_ANY_VERSION=1");
  expect(versionFinding("2.40.0", false)).toMatchObject([{ state: "note" }]);
});
