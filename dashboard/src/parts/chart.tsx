/** A series over time, with what was noticed marked on it and what was routine shaded. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { clock, number, timeLabels } from "../format.ts";
import { colour, theme } from "../theme.ts";
import { Table } from "./table.tsx";

export interface Mark {
  readonly atMs: number;
  readonly expected: number;
  readonly spread: number;
}

export interface ChartProps {
  readonly title: string;
  /** Oldest first. */
  readonly points: readonly (readonly [atMs: number, value: number])[];
  readonly marks: readonly Mark[];
  readonly height?: number;
}

const SPREADS = 4;

export function Chart({ title, points, marks, height = 180 }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const shown = useRef(marks);
  shown.current = marks;

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    plot.current = new uPlot(
      optionsOf(element.clientWidth, height, () => shown.current),
      dataOf(points),
      element,
    );
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [theme.value, height]);
  useEffect(() => plot.current?.setData(dataOf(points)), [points]);
  // They may come after the points. Without points there are no axes to draw.
  useEffect(() => {
    if (points.length > 0) plot.current?.redraw(false, false);
  }, [marks]);

  const last = points.at(-1);
  const values = points.map(([, value]) => value);
  const spoken =
    last === undefined
      ? `${title}: no points.`
      : `${title}: now ${number(last[1])}, between ${number(Math.min(...values))} and ${number(Math.max(...values))}; ${marks.length} noticed.`;
  return (
    <>
      <div class="chart" role="img" aria-label={spoken} ref={box} />
      {last !== undefined && <AsTable title={title} points={points} marks={marks} />}
    </>
  );
}

/** Rows of the table: the newest are what people ask for. */
const MOST_ROWS = 100;

/** The same for who cannot see it. Made only once it is opened. */
function AsTable({ title, points, marks }: Omit<ChartProps, "height">) {
  const isOpen = useSignal(false);
  return (
    <details onToggle={(event) => void (isOpen.value = event.currentTarget.open)}>
      <summary>As a table</summary>
      {isOpen.value && (
        <Table
          label={`${title} as a table`}
          isTall
          rows={points.slice(-MOST_ROWS).toReversed()}
          keyOf={([atMs]) => atMs}
          columns={[
            { name: "Time", of: ([atMs]) => clock(atMs) },
            { name: "Value", look: "figure", of: ([, value]) => number(value) },
            { name: "Noticed", of: ([atMs]) => routineAt(marks, atMs) },
          ]}
        />
      )}
    </details>
  );
}

function routineAt(marks: readonly Mark[], atMs: number): string {
  const mark = marks.find((one) => one.atMs === atMs);
  return mark === undefined ? "" : `where ${number(mark.expected)} ± ${number(mark.spread)} was routine`;
}

const dataOf = (points: ChartProps["points"]): uPlot.AlignedData => [
  points.map(([atMs]) => atMs / 1_000),
  points.map(([, value]) => value),
];

function optionsOf(width: number, height: number, marks: () => readonly Mark[]): uPlot.Options {
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  return {
    width,
    height,
    legend: { show: false },
    // The last time under the axis is half beyond it.
    padding: [12, 32, 0, 0],
    cursor: { y: false },
    scales: { x: { time: true } },
    axes: [
      { ...axis, size: 32, space: 80, values: (_plot, splits) => timeLabels(splits.map((s) => 1_000 * s)) },
      { ...axis, size: 56, values: (_plot, splits) => splits.map(number) },
    ],
    series: [{}, { stroke: colour("--accent"), width: 1.5, points: { show: false } }],
    hooks: { drawClear: [(plot) => draw(plot, marks())] },
  };
}

function draw(plot: uPlot, marks: readonly Mark[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  const newest = marks.at(-1);
  if (newest !== undefined) {
    const top = plot.valToPos(newest.expected + SPREADS * newest.spread, "y", true);
    const bottom = plot.valToPos(newest.expected - SPREADS * newest.spread, "y", true);
    ctx.fillStyle = colour("--routine");
    ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
  }
  ctx.strokeStyle = colour("--bad");
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const { atMs } of marks) {
    const x = plot.valToPos(atMs / 1_000, "x", true);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
