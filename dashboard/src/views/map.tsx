/** Who calls whom, and what is burning. */
import { Graph as Layout, layout } from "@dagrejs/dagre";
import { useMemo } from "preact/hooks";
import { number } from "../format.ts";
import { type Graph, graph, incidents } from "../live.ts";
import { Empty } from "../parts/loading.tsx";

const NODE = { width: 168, height: 76 };
const MARGIN = 8;

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
        Calls of the newest ten seconds, as the hosts count them. A service's own time is without what it waits for.
      </p>
      <Empty of={services}>You have deployed no service of your own yet: seedcore deploy FOLDER</Empty>
      {current !== undefined && services !== undefined && services.length > 0 && (
        <>
          <Drawing graph={{ ...current, services }} blamed={blamed} />
          <Edges graph={{ ...current, services }} />
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

function placeAll(names: readonly string[], edges: readonly { readonly from: string; readonly to: string }[]): Placed {
  const plan = new Layout().setGraph({ rankdir: "LR", nodesep: 24, ranksep: 72, marginx: MARGIN, marginy: MARGIN });
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

function Drawing({
  graph: { services, edges },
  blamed,
}: {
  readonly graph: Graph;
  readonly blamed: ReadonlySet<string>;
}) {
  const names = services.map(({ service }) => service);
  const shape = `${names.join()} ${edges.map(edgeKey).join()}`;
  const placed = useMemo(() => placeAll(names, edges), [shape]);
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
                {service}
              </text>
              <text x="12" y="42">
                {number(now.requestsPerS)}/s · {number(now.selfLatencyMs)} ms own
              </text>
              <text x="12" y="61">
                {isBlamed ? "to blame · " : ""}
                {number(now.errorsPerS)} errors/s · {replicas.ready}/{replicas.wanted}
              </text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}

function Edges({ graph: { services, edges } }: { readonly graph: Graph }) {
  return (
    <section>
      <h2>In figures</h2>
      <div class="wide" role="region" aria-label="Calls in figures" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">Service</th>
              <th scope="col" class="figure">
                Calls/s
              </th>
              <th scope="col" class="figure">
                Own errors/s
              </th>
              <th scope="col" class="figure">
                Own time, ms
              </th>
              <th scope="col" class="figure">
                Before, ms
              </th>
              <th scope="col">Calls</th>
            </tr>
          </thead>
          <tbody>
            {services.map(({ service, now, before }) => (
              <tr key={service}>
                <th scope="row">{service}</th>
                <td class="figure">{number(now.requestsPerS)}</td>
                <td class="figure">{number(now.selfErrorsPerS)}</td>
                <td class="figure">{number(now.selfLatencyMs)}</td>
                <td class="figure">{number(before.selfLatencyMs)}</td>
                <td>
                  {edges
                    .filter(({ from }) => from === service)
                    .map(
                      ({ to, now: { callsPerS, errorsPerS } }) =>
                        `${to} (${number(callsPerS)}/s${errorsPerS > 0 ? `, ${number(errorsPerS)} errors/s` : ""})`,
                    )
                    .join(", ")}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
