/** Gathers what can be known about an incident: what moved, who calls whom, what was changed, what was like it before. */
import type { CallGraph, Evidence, Movement, RecalledCase, SeriesWindow } from "#contracts/cognitive.ts";
import type { ml } from "#contracts/ml.ts";
import { signatureOf } from "#contracts/signature.ts";
import type { state } from "#contracts/state.ts";
import type { telemetry } from "#contracts/telemetry.ts";
import type { Clock } from "#core/clock.ts";
import type { Client } from "#runtime/client/client.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import type { Crossing } from "#contracts/ml.ts";
import { type IncidentLimits, type IncidentRecord, seriesKey } from "./incident.ts";
import type { IncidentStore } from "./incident-store.ts";

export interface EvidenceDeps {
  readonly telemetry: Pick<Client<typeof telemetry>, "callGraph">;
  readonly ml: Pick<Client<typeof ml>, "points">;
  readonly state: Pick<Client<typeof state>, "recallCases">;
  readonly store: Pick<IncidentStore, "crossingsOf" | "changesBetween">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: () => IncidentLimits;
}

/** The organism's own source, whose series are `<service>/<metric>`. */
export const SERVICES_SOURCE = "services";

/** As many as can be reasoned about. */
const MAX_MOVEMENTS = 1_000;
const MAX_WINDOWS = 16;
const MAX_CHANGES = 50;
const MAX_CASES = 10;
const WINDOW_BEFORE_MS = 120_000;
const WINDOW_STEP_MS = 1_000;
/** What is beyond is as far away as can be compared. */
const LARGEST = 1e90;
/** Older than the call graph reaches: a replayed past has none. */
const LIVE_MS = 20 * 60_000;
const LEAST_NOW_S = 3;
const MOST_NOW_S = 10;

export type GatherEvidence = (incident: IncidentRecord) => Promise<Evidence>;

/** What cannot be had is left out: less evidence makes a conclusion less sure, not impossible. */
export function createEvidence(deps: EvidenceDeps): GatherEvidence {
  const { store, clock, log } = deps;

  async function orNothing<T, N>(what: string, ask: () => Promise<T>, nothing: N): Promise<T | N> {
    try {
      return await ask();
    } catch (error) {
      log.debug({ err: error, what }, "A part of the evidence could not be had.");
      return nothing;
    }
  }

  return async (incident) => {
    const nowMs = clock.now();
    const crossings = await store.crossingsOf(incident.id);
    const movements = mostTelling(crossings.map(({ crossing, isCleared }) => toMovement(crossing, isCleared)));
    const isLive = nowMs - incident.lastEventMs < LIVE_MS;
    const sinceS = Math.ceil((nowMs - incident.openedAtMs) / 1_000);
    const [graph, changes, windows, cases] = await Promise.all([
      isLive
        ? orNothing<CallGraph, null>(
            "call graph",
            () =>
              deps.telemetry.callGraph(
                {
                  sinceMs: Math.round(incident.openedAtMs),
                  nowS: Math.min(MOST_NOW_S, Math.max(LEAST_NOW_S, sinceS)),
                },
                BACKGROUND,
              ),
            null,
          )
        : null,
      orNothing(
        "changes",
        () =>
          store.changesBetween(
            incident.openedAtMs - deps.limits().changeMs,
            incident.lastEventMs + deps.limits().correlationMs,
            MAX_CHANGES,
          ),
        [],
      ),
      Promise.all(
        crossings
          .slice(0, MAX_WINDOWS)
          .map(({ crossing }) => orNothing("points", () => windowOf(crossing, incident), undefined)),
      ),
      orNothing<RecalledCase[], RecalledCase[]>(
        "cases",
        async () =>
          (await deps.state.recallCases({ signature: signatureOf(movements), limit: MAX_CASES }, BACKGROUND)).cases,
        [],
      ),
    ]);
    return {
      atMs: nowMs,
      movements,
      graph,
      changes: changes.map(({ id, kind, target, summary, atMs, data }) => ({
        id,
        kind,
        target,
        summary,
        atMs,
        byOrganism: data.taskId !== undefined,
      })),
      windows: windows.filter((window) => window !== undefined),
      cases: cases.filter(({ id }) => id !== incident.id),
    };
  };

  async function windowOf(crossing: Crossing, incident: IncidentRecord): Promise<SeriesWindow> {
    const startMs = Math.floor((incident.openedAtMs - WINDOW_BEFORE_MS) / WINDOW_STEP_MS) * WINDOW_STEP_MS;
    const toMs = Math.max(incident.lastEventMs, clock.now());
    const { points } = await deps.ml.points(
      { source: crossing.source, series: crossing.series, fromMs: startMs, toMs: Math.round(toMs), limit: 1_000 },
      BACKGROUND,
    );
    return toWindow(seriesKey(crossing), startMs, points);
  }
}

const BACKGROUND = { priority: "background", deadlineMs: 2_000 } as const;

/** Equally spaced: the mean of the values of each step. */
function toWindow(
  series: string,
  startMs: number,
  points: readonly (readonly [number, number, number])[],
): SeriesWindow {
  const lastMs = points.at(-1)?.[0] ?? startMs;
  const steps = Math.min(2_000, Math.max(0, Math.floor((lastMs - startMs) / WINDOW_STEP_MS) + 1));
  const sums = new Float64Array(steps);
  const counts = new Int32Array(steps);
  for (const [atMs, value] of points) {
    const step = Math.floor((atMs - startMs) / WINDOW_STEP_MS);
    if (step < 0 || step >= steps) continue;
    sums[step] = (sums[step] as number) + Math.max(-LARGEST, Math.min(LARGEST, value));
    counts[step] = (counts[step] as number) + 1;
  }
  const values = Array.from(sums, (sum, i) => (counts[i] === 0 ? null : sum / (counts[i] as number)));
  return { series, startMs, stepMs: WINDOW_STEP_MS, values };
}

/**
 * All, where they are not too many. Else each series once, as it moved first, and of those the first to move: a series that
 * comes and goes says little more the second time, and what moved last is seldom the cause.
 * @param movements the first to move first
 */
function mostTelling(movements: readonly Movement[]): Movement[] {
  if (movements.length <= MAX_MOVEMENTS) return [...movements];
  const found = new Map<string, Movement>();
  for (const movement of movements) {
    const name = `${movement.direction} ${movement.series}`;
    const first = found.get(name);
    // It is routine again when it is so every time.
    found.set(name, first === undefined ? movement : { ...first, isCleared: first.isCleared && movement.isCleared });
  }
  return [...found.values()].slice(0, MAX_MOVEMENTS);
}

function toMovement(crossing: Crossing, isCleared: boolean): Movement {
  const parts = crossing.source === SERVICES_SOURCE ? crossing.series.split("/") : [];
  const isOfService = parts.length === 2;
  return {
    series: seriesKey(crossing),
    service: isOfService ? (parts[0] ?? null) : null,
    metric: isOfService ? (parts[1] ?? crossing.series) : crossing.series,
    startedAtMs: crossing.startedAtMs,
    direction: crossing.direction,
    value: crossing.value,
    expected: crossing.expected,
    spread: crossing.spread,
    isCleared,
  };
}
