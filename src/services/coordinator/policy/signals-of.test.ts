import { expect, it } from "vitest";
import type { ActionRecord } from "../action.ts";
import type { IncidentRecord } from "../incident.ts";
import { toSignals } from "./signals-of.ts";

const done = (state: ActionRecord["state"], more: Partial<ActionRecord> = {}): ActionRecord =>
  ({ skill: state, risk: "low", begunAtMs: 1, actedAtMs: null, state, ...more }) as ActionRecord;

const signalsOf = (actions: readonly ActionRecord[]) =>
  toSignals({
    incident: { acknowledgedBy: null } as IncidentRecord,
    thought: undefined,
    actions,
    system: { openIncidents: 1 },
    maintenanceOf: () => undefined,
    nowMs: 0,
  });

// Nobody was told that a repair waits, or that nobody came.
it("counts what waits for a person, and what nobody decided on in time", () => {
  const never = { begunAtMs: null };
  const { asked } = signalsOf([
    done("proposed", { ...never, expiresAtMs: 10 }),
    done("expired", { ...never, expiresAtMs: 10, endedAtMs: 10 }),
    // With its incident, before its time.
    done("expired", { ...never, expiresAtMs: 10, endedAtMs: 9 }),
    done("rejected", { ...never, expiresAtMs: 10, endedAtMs: 9 }),
  ]);
  expect(asked).toEqual({ waiting: 1, expired: 1 });
});

// A repair that failed, or of which nobody knows what became, was as if it had never been begun: nobody was called.
it("counts what was tried, and what nothing shows to have helped", () => {
  const { tried } = signalsOf([
    ...(["checking", "done", "helped", "useless", "undoing", "undone", "failed", "unknown"] as const).map((state) =>
      done(state),
    ),
    // Not tried: under way, told, or never begun.
    done("acting"),
    done("failed", { risk: "none" }),
    ...(["observed", "proposed", "held", "rejected", "expired"] as const).map((state) =>
      done(state, { begunAtMs: null }),
    ),
  ]);
  expect(tried).toEqual({
    count: 8,
    useless: 5,
    skills: ["checking", "done", "helped", "useless", "undoing", "undone", "failed", "unknown"],
  });
});
