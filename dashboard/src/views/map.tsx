/** Who calls whom, and what is burning. */
import { Graph as Layout, layout } from "@dagrejs/dagre";
import { useEffect, useMemo, useState } from "preact/hooks";
import { number } from "../format.ts";
import { type Graph, graph, incidents } from "../live.ts";
import { Empty } from "../parts/loading.tsx";
import { ServiceName } from "../parts/service-name.tsx";
import { Table } from "../parts/table.tsx";

const NODE = { width: 168, height: 76 };
/** Of a name, in a node; the table has the whole. */
const MOST_LETTERS = 20;
const MARGIN = 8;
/** Where it is read from top to bottom, so that two services beside each other are seen whole. */
const NARROW = matchMedia("(max-width: 700px)");

export function MapView() {
  const current = graph.value;
  const services = current?.services.filter(({ isOwn }) => isOwn);
  const blamed = new Set(
    (incidents.value ?? []).flatMap(({ state, cause }) => (state === "open" ? (cause?.service ?? []) : [])),
  );
  return (
    <>
      <h1>Map</h1>
      <p class="quiet">
        Calls of the newest ten seconds, as the hosts count them. A service's own time is without what it waits for. Red
        is what is to blame for an open incident, amber what takes half as long again as before by itself.
      </p>
      <Empty of={services}>You have deployed no service of your own yet: seedcore deploy FOLDER</Empty>
      {current !== undefined && services !== undefined && services.length > 0 && (
        <>
          <Drawing graph={{ ...current, services }} blamed={blamed} />
          <Edges graph={{ ...current, services }} blamed={blamed} />
        </>
      )}
    </>
  );
}

interface Placed {
  readonly width: number;
  readonly height: number;
  readonly nodes: ReadonlyMap<string, { readonly x: number; readonly y: number }>;
  readonly edges: ReadonlyMap<string, readonly { readonly x: number; readonly y: number }[]>;
}

const edgeKey = ({ from, to }: { readonly from: string; readonly to: string }): string => `${from} → ${to}`;

function placeAll(names: readonly string[], edges: Graph["edges"], isNarrow: boolean): Placed {
  const shape = isNarrow ? { rankdir: "TB", nodesep: 12, ranksep: 48 } : { rankdir: "LR", nodesep: 24, ranksep: 72 };
  const plan = new Layout().setGraph({ ...shape, marginx: MARGIN, marginy: MARGIN });
  plan.setDefaultEdgeLabel(() => ({}));
  for (const name of names) plan.setNode(name, { ...NODE });
  for (const { from, to } of edges) if (plan.hasNode(from) && plan.hasNode(to)) plan.setEdge(from, to);
  layout(plan);
  const { width = 0, height = 0 } = plan.graph();
  return {
    width,
    height,
    nodes: new Map(names.map((name) => [name, plan.node(name)] as const)),
    edges: new Map(
      plan.edges().map((edge) => [edgeKey({ from: edge.v, to: edge.w }), plan.edge(edge).points ?? []] as const),
    ),
  };
}

function useIsNarrow(): boolean {
  const [isNarrow, setIsNarrow] = useState(NARROW.matches);
  useEffect(() => {
    const changed = () => setIsNarrow(NARROW.matches);
    NARROW.addEventListener("change", changed);
    return () => NARROW.removeEventListener("change", changed);
  }, []);
  return isNarrow;
}

interface Shown {
  readonly graph: Graph;
  readonly blamed: ReadonlySet<string>;
}

function Drawing({ graph: { services, edges }, blamed }: Shown) {
  const names = services.map(({ service }) => service);
  const shape = `${names.join()} ${edges.map(edgeKey).join()}`;
  const isNarrow = useIsNarrow();
  const placed = useMemo(() => placeAll(names, edges, isNarrow), [shape, isNarrow]);
  return (
    <div class="wide" role="region" aria-label="Drawing of the calls" tabIndex={0}>
      <svg
        class="map"
        width={placed.width}
        height={placed.height}
        viewBox={`0 0 ${placed.width} ${placed.height}`}
        aria-hidden="true"
      >
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
            <path d="M0 0 8 4 0 8z" />
          </marker>
        </defs>
        {edges.map((edge) => {
          const points = placed.edges.get(edgeKey(edge));
          if (points === undefined || points.length === 0) return null;
          const middle = points[points.length >> 1] as { x: number; y: number };
          return (
            <g key={edgeKey(edge)} class={edge.now.errorsPerS > 0 ? "edge failing" : "edge"}>
              <polyline points={points.map(({ x, y }) => `${x},${y}`).join(" ")} marker-end="url(#arrow)" />
              <text x={middle.x} y={middle.y - 6}>
                {number(edge.now.callsPerS)}/s
              </text>
            </g>
          );
        })}
        {services.map(({ service, now, before, replicas }) => {
          const { x, y } = placed.nodes.get(service) ?? { x: 0, y: 0 };
          const isBlamed = blamed.has(service);
          const isSlower = (now.selfLatencyMs ?? 0) > 1.5 * (before.selfLatencyMs ?? Infinity);
          return (
            <g
              key={service}
              class={`node ${isBlamed ? "burning" : isSlower ? "warm" : ""}`}
              transform={`translate(${x - NODE.width / 2} ${y - NODE.height / 2})`}
            >
              <rect width={NODE.width} height={NODE.height} rx="6" />
              <text x="12" y="22" class="title">
                {service.length > MOST_LETTERS ? `${service.slice(0, MOST_LETTERS - 1)}…` : service}
              </text>
              <text x="12" y="42">
                {number(now.requestsPerS)}/s · {number(now.selfLatencyMs)} ms own
              </text>
              <text x="12" y="61">
                {number(now.errorsPerS)} errors/s ·{" "}
                {isBlamed ? "to blame" : `${replicas.ready} of ${replicas.wanted} ready`}
              </text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}

function Edges({ graph: { services, edges }, blamed }: Shown) {
  return (
    <section>
      <h2>In figures</h2>
      <Table
        label="Calls in figures"
        rows={services}
        keyOf={({ service }) => service}
        columns={[
          { name: "Service", of: ({ service }) => <ServiceName name={service} isBlamed={blamed.has(service)} /> },
          { name: "Calls/s", look: "figure", of: ({ now }) => number(now.requestsPerS) },
          { name: "Own errors/s", look: "figure", of: ({ now }) => number(now.selfErrorsPerS) },
          { name: "Own time, ms", look: "figure", of: ({ now }) => number(now.selfLatencyMs) },
          { name: "Before, ms", look: "figure", of: ({ before }) => number(before.selfLatencyMs) },
          {
            name: "Calls",
            of: ({ service }) =>
              edges
                .filter(({ from }) => from === service)
                .map(edgeText)
                .join(", "),
          },
        ]}
      />
    </section>
  );
}

function edgeText({ to, now: { callsPerS, errorsPerS } }: Graph["edges"][number]): string {
  return `${to} (${number(callsPerS)}/s${errorsPerS > 0 ? `, ${number(errorsPerS)} errors/s` : ""})`;
}
