import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { call } from "../api.ts";
import { follow } from "../feed.ts";
import { linkTo } from "../place.ts";
import { MOST_POINTS, type Points, withNewer, withStretch } from "../points.ts";
import { tell, whyOf } from "../trouble.ts";
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
    let timer: number | undefined;
    let isOver = false;
    const load = async (): Promise<void> => {
      clearTimeout(timer);
      let isToReadAgain = isLive;
      try {
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
        tell(points, "");
      } catch (error) {
        isToReadAgain = true;
        if (!isOver) tell(points, whyOf(error));
      }
      if (isToReadAgain && !isOver) timer = window.setTimeout(again, READ_AGAIN_MS);
    };
    // Hidden tabs ask nothing; when it is seen, the stream begins anew.
    const again = () => {
      if (!isLive || document.visibilityState === "visible") void load();
    };
    // Also out of view: its table is there for those who do not scroll.
    void load();
    const end = isLive ? whileInView(figure.current, () => followPoints(source, series, points, load)) : undefined;
    return () => {
      isOver = true;
      clearTimeout(timer);
      tell(points, "");
      end?.();
    };
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

/** Draws once a frame, however many points come at once; reads what was before each time the stream begins. */
function followPoints(
  source: string,
  series: string,
  points: { value: Points; peek(): Points },
  load: () => Promise<void>,
): () => void {
  let told: (readonly [number, number])[] = [];
  let frame: number | undefined;
  const draw = () => {
    frame = undefined;
    points.value = withNewer(points.peek(), told);
    told = [];
  };
  const end = follow(
    "ml.live",
    { source, series: [series] },
    {
      began: () => void load(),
      take({ timestampMs, value }) {
        told.push([timestampMs, value]);
        frame ??= requestAnimationFrame(draw);
      },
    },
  );
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
