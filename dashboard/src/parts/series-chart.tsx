import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { call } from "../api.ts";
import { every } from "../live.ts";
import { linkTo } from "../place.ts";
import { MOST_POINTS, type Points, withNewer, withStretch } from "../points.ts";
import { followSeries } from "../series-feed.ts";
import { Chart, type Mark } from "./chart.tsx";

interface SeriesChartProps {
  readonly source: string;
  readonly series: string;
  readonly marks: readonly Mark[];
  /** The time that is shown; live, its end moves. */
  readonly aroundMs: readonly [fromMs: number, toMs: number];
  readonly isLive: boolean;
}

/** What the stream left out, as it does for who reads slowly, is there by then. */
const READ_AGAIN_MS = 10_000;

/** A chart that reads its points by itself, and live is told the newest while it is in view. */
export function SeriesChart({ source, series, marks, aroundMs: [fromMs, toMs], isLive }: SeriesChartProps) {
  const figure = useRef<HTMLElement>(null);
  const points = useSignal<Points>([]);
  useEffect(() => {
    let nextMs = Math.round(fromMs);
    const load = async (): Promise<void> => {
      const { points: found } = await call("ml.points", {
        source,
        series,
        fromMs: nextMs,
        toMs: isLive ? 1e15 : Math.round(toMs),
        limit: MOST_POINTS,
      });
      nextMs = (found.at(-1)?.[0] ?? nextMs - 1) + 1;
      points.value = withStretch(
        points.peek(),
        found.map(([atMs, value]) => [atMs, value]),
      );
    };
    if (!isLive) return void load().catch(() => {});
    const ends = [every(READ_AGAIN_MS, load), whileInView(figure.current, () => follow(source, series, points, load))];
    return () => ends.forEach((end) => end());
  }, [source, series, isLive]);
  return (
    <figure ref={figure}>
      <figcaption>
        <a href={linkTo("series", source, series)}>
          {source}/{series}
        </a>
      </figcaption>
      <Chart title={`${source}/${series}`} points={points.value} marks={marks} />
    </figure>
  );
}

/** Draws once a frame, however many points come at once. */
function follow(source: string, series: string, points: { value: Points; peek(): Points }, load: () => Promise<void>) {
  let told: (readonly [number, number])[] = [];
  let frame: number | undefined;
  const draw = () => {
    frame = undefined;
    points.value = withNewer(points.peek(), told);
    told = [];
  };
  const end = followSeries(source, {
    series,
    opened: () => void load().catch(() => {}),
    take(atMs, value) {
      told.push([atMs, value]);
      frame ??= requestAnimationFrame(draw);
    },
  });
  return () => {
    if (frame !== undefined) cancelAnimationFrame(frame);
    end();
  };
}

function whileInView(element: HTMLElement | null, begin: () => () => void): () => void {
  let end: (() => void) | undefined;
  const seen = new IntersectionObserver(([entry]) => {
    if (entry?.isIntersecting === true) {
      end ??= begin();
    } else {
      end?.();
      end = undefined;
    }
  });
  if (element !== null) seen.observe(element);
  return () => {
    seen.disconnect();
    end?.();
  };
}
