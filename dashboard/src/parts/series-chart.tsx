import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call } from "../api.ts";
import { every } from "../live.ts";
import { linkTo } from "../place.ts";
import { Chart, type Mark } from "./chart.tsx";

type Points = readonly (readonly [number, number])[];

interface SeriesChartProps {
  readonly source: string;
  readonly series: string;
  readonly marks: readonly Mark[];
  /** The time that is shown; live, its end moves. */
  readonly aroundMs: readonly [fromMs: number, toMs: number];
  readonly isLive: boolean;
}

const LIMIT = 2_000;
const EVERY_MS = 1_000;

/** A chart that reads its points by itself. */
export function SeriesChart({ source, series, marks, aroundMs: [fromMs, toMs], isLive }: SeriesChartProps) {
  const points = useSignal<Points>([]);
  useEffect(() => {
    const load = async (): Promise<void> => {
      const last = points.peek().at(-1)?.[0];
      const since = last === undefined ? Math.round(fromMs) : last + 1;
      const { points: found } = await call("ml.points", {
        source,
        series,
        fromMs: since,
        toMs: isLive ? 1e15 : Math.round(toMs),
        limit: LIMIT,
      });
      if (found.length > 0)
        points.value = [...points.peek(), ...found.map(([at, value]) => [at, value] as const)].slice(-LIMIT);
    };
    if (isLive) return every(EVERY_MS, load);
    void load().catch(() => {});
    return undefined;
  }, [source, series, isLive]);
  return (
    <figure>
      <figcaption>
        <a href={linkTo("series", source, series)}>
          {source}/{series}
        </a>
      </figcaption>
      <Chart title={`${source}/${series}`} points={points.value} marks={marks} />
    </figure>
  );
}
