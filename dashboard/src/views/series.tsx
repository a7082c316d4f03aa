/** Every series of a source, live, and one of them large with what was noticed on it. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { call, type Output } from "../api.ts";
import { ago, number } from "../format.ts";
import { incidents, nowMs, useLive } from "../live.ts";
import { Empty } from "../parts/loading.tsx";
import type { Mark } from "../parts/chart.tsx";
import { SeriesChart } from "../parts/series-chart.tsx";
import { Spark } from "../parts/spark.tsx";
import { linkTo } from "../place.ts";

type Series = Output<"ml.source">["series"][number];

const SHOWN_MS = 10 * 60_000;
const SPARK_POINTS = 120;
const MOST_INCIDENTS = 5;
const BY_NAME = new Intl.Collator("en", { numeric: true });

export function SeriesView({
  source,
  series,
}: {
  readonly source: string | undefined;
  readonly series: string | undefined;
}) {
  const sources = useLive("ml.sources", {})?.sources;
  const chosen = source ?? sources?.[0]?.source;
  return (
    <>
      <h1>Series</h1>
      <Empty of={sources}>No source has sent points yet.</Empty>
      <p class="tabs" role="group" aria-label="Sources">
        {(sources ?? []).map((one) => (
          <a
            key={one.source}
            href={linkTo("series", one.source)}
            aria-current={one.source === chosen ? "true" : undefined}
          >
            {one.source} <span class="quiet">{one.series}</span>
          </a>
        ))}
      </p>
      {chosen !== undefined && series !== undefined && (
        <Large key={`${chosen}/${series}`} source={chosen} series={series} />
      )}
      {chosen !== undefined && <Rows key={chosen} source={chosen} />}
    </>
  );
}

function Large({ source, series }: { readonly source: string; readonly series: string }) {
  const marks = useSignal<readonly Mark[]>([]);
  const concerned = (incidents.value ?? [])
    .filter((one) => one.series.includes(`${source}/${series}`))
    .slice(0, MOST_INCIDENTS);
  const version = concerned.map(({ id, updatedAtMs }) => `${id}${updatedAtMs}`).join();
  useEffect(() => {
    const load = async () => {
      const details = await Promise.all(concerned.map(({ id }) => call("coordinator.getIncident", { id })));
      marks.value = details
        .flatMap(({ crossings }) => crossings)
        .filter((crossing) => crossing.source === source && crossing.series === series)
        .map(({ startedAtMs, expected, spread }) => ({ atMs: startedAtMs, expected, spread }))
        .sort((a, b) => a.atMs - b.atMs);
    };
    void load().catch(() => {});
  }, [version]);
  const [fromMs] = useState(() => Date.now() - SHOWN_MS);
  return (
    <section>
      <SeriesChart source={source} series={series} marks={marks.value} aroundMs={[fromMs, fromMs]} isLive />
      <p class="quiet">
        {concerned.length === 0 ? "Nothing was noticed in it lately." : "Noticed in: "}
        {concerned.map(({ id, title }) => (
          <a key={id} href={linkTo("incidents", id)}>
            {title}{" "}
          </a>
        ))}
      </p>
    </section>
  );
}

function Rows({ source }: { readonly source: string }) {
  const all = useLive("ml.source", { source })?.series;
  const [text, setText] = useState("");
  const wanted = text.toLowerCase();
  const found = all
    ?.filter(({ name }) => name.toLowerCase().includes(wanted))
    .sort((a, b) => BY_NAME.compare(a.name, b.name));
  return (
    <section>
      <input
        type="search"
        aria-label="Filter series"
        placeholder={`Filter ${all?.length ?? 0} series`}
        value={text}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
      />
      <p class="quiet">Each with its newest value, and how unusual that is, from 0 to 1.</p>
      <Empty of={found}>{text === "" ? "This source has no series." : `Nothing with “${text}”.`}</Empty>
      <ul class="rows series">
        {(found ?? []).map((one) => (
          <Row key={one.name} source={source} series={one} />
        ))}
      </ul>
    </section>
  );
}

/** Reads its past when it is first seen; from then on the newest points are those of the list. */
function Row({ source, series }: { readonly source: string; readonly series: Series }) {
  const { name, lastValue, lastScore, lastTimestampMs } = series;
  const item = useRef<HTMLLIElement>(null);
  const values = useSignal<readonly number[]>([]);
  const newest = useRef(0);
  useEffect(() => {
    const element = item.current;
    if (element === null) return undefined;
    const seen = new IntersectionObserver(([entry]) => {
      if (entry?.isIntersecting !== true) return;
      seen.disconnect();
      void call("ml.points", { source, series: name, limit: SPARK_POINTS }).then(
        ({ points }) => {
          values.value = points.map(([, value]) => value);
          newest.current = points.at(-1)?.[0] ?? 0;
        },
        () => {},
      );
    });
    seen.observe(element);
    return () => seen.disconnect();
  }, [source, name]);
  useEffect(() => {
    if (newest.current === 0 || lastTimestampMs <= newest.current) return;
    newest.current = lastTimestampMs;
    values.value = [...values.peek(), lastValue].slice(-SPARK_POINTS);
  }, [lastTimestampMs]);
  return (
    <li ref={item}>
      <a class="row" href={linkTo("series", source, name)}>
        <span class="name">{name}</span>
        <Spark values={values.value} />
        <span class="figure">{number(lastValue)}</span>
        <span
          class={`figure score ${lastScore >= UNUSUAL ? "bad" : "quiet"}`}
          title="How unusual its newest point is, 0 to 1"
        >
          {lastScore.toFixed(2)}
        </span>
        <span class="quiet when">{ago(lastTimestampMs, nowMs.value)}</span>
      </a>
    </li>
  );
}

const UNUSUAL = 0.5;
