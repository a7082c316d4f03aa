import { describe, expect, it } from "vitest";
import { createPhaseRunner, PHASES, Undo } from "./startup.ts";

function setUp(signal = new AbortController().signal) {
  const undo = new Undo();
  const reports: string[] = [];
  const runner = createPhaseRunner({
    undo,
    signal,
    monotonic: () => 0,
    report: ({ phase }) => reports.push(phase),
    advise: () => ["mend it"],
  });
  return { undo, reports, runner };
}
const done = async () => ({ value: 1, detail: "" });

describe("the start", () => {
  it("goes through every phase in order", async () => {
    const { runner, reports } = setUp();
    for (const phase of PHASES) await runner.phase(phase, done);
    expect(reports).toEqual(["configured", "connected", "migrated", "bootstrapped", "deployed", "ready"]);
  });

  it("refuses a phase before the one it needs", async () => {
    const { runner } = setUp();
    await expect(runner.phase("deployed", done)).rejects.toThrow(/time for "configured"/);
  });

  // A failed start that leaves its lock or its children behind blocks the next one.
  it("says which phase failed, why and what to do, and takes back the earlier ones, newest first", async () => {
    const { runner, undo } = setUp();
    const undone: string[] = [];
    await runner.phase("configured", async () => {
      undo.add(() => void undone.push("lock"));
      undo.add(() => {
        undone.push("hosts");
        throw new Error("cannot");
      });
      undo.add(() => void undone.push("file"));
      return { value: 1, detail: "" };
    });
    const failure = runner.phase("connected", () => Promise.reject(new Error("the disk is full")));
    await expect(failure).rejects.toMatchObject({
      phase: "connected",
      message: "the disk is full",
      todo: ["mend it"],
    });
    expect(undone).toEqual(["file", "hosts", "lock"]);
  });

  it("stops between phases when it is called off", async () => {
    const abort = new AbortController();
    const { runner } = setUp(abort.signal);
    await runner.phase("configured", done);
    abort.abort(new Error("Ctrl-C"));
    await expect(runner.phase("connected", done)).rejects.toThrow("Ctrl-C");
  });
});
