import { expect, it } from "vitest";
import type { ActionRecord } from "../action.ts";
import type { IncidentRecord } from "../incident.ts";
import { toSignals } from "./signals-of.ts";

const done = (state: ActionRecord["state"], more: Partial<ActionRecord> = {}): ActionRecord =>
  ({ skill: state, risk: "low", begunAtMs: 1, actedAtMs: null, state, ...more }) as ActionRecord;

// A repair that failed, or of which nobody knows what became, was as if it had never been begun: nobody was called.
it("counts what was tried, and what nothing shows to have helped", () => {
  const { tried } = toSignals({
    incident: { acknowledgedBy: null } as IncidentRecord,
    thought: undefined,
    actions: [
      ...(["checking", "done", "helped", "useless", "undoing", "undone", "failed", "unknown"] as const).map((state) =>
        done(state),
      ),
      // Not tried: under way, told, or never begun.
      done("acting"),
      done("failed", { risk: "none" }),
      ...(["observed", "proposed", "held", "rejected", "expired"] as const).map((state) =>
        done(state, { begunAtMs: null }),
      ),
    ],
    system: { openIncidents: 1 },
    maintenanceOf: () => undefined,
    nowMs: 0,
  });
  expect(tried).toEqual({
    count: 8,
    useless: 5,
    skills: ["checking", "done", "helped", "useless", "undoing", "undone", "failed", "unknown"],
  });
});
