import type { CallGraph } from "#contracts/cognitive.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { formatValue } from "../format.ts";

/** `graph`: who calls whom among a person's own services, and what of each one's time and errors is its own. */
export async function run(context: CommandContext, _invocation: Invocation): Promise<ExitCode> {
  const { output } = context;
  const connection = await context.connect();
  const [graph, { incidents }] = await Promise.all([
    connection.getServiceClient("telemetry").callGraph({}),
    connection.getServiceClient("coordinator").listIncidents({ state: "open" }),
  ]);
  output.data(graph);
  const own = graph.services.filter(({ isOwn }) => isOwn);
  if (own.length === 0) {
    output.line("You have deployed no service of your own yet.");
    output.hint("Next: seedcore deploy FOLDER");
    return EXIT.ok;
  }
  const blamed = new Set(incidents.flatMap(({ cause }) => cause?.service ?? []));
  output.table(
    [
      { title: "SERVICE" },
      { title: "CALLS/S", align: "right" },
      { title: "OWN ERRORS/S", align: "right" },
      { title: "OWN MS", align: "right" },
      { title: "BEFORE", align: "right", whenNarrow: "leave out" },
      { title: "ASKS", whenNarrow: "leave out" },
      { title: "" },
    ],
    own.map(({ service, now, before }) => [
      service,
      figure(now.requestsPerS),
      figure(now.selfErrorsPerS),
      figure(now.selfLatencyMs),
      figure(before.selfLatencyMs),
      calleesOf(service, graph),
      blamed.has(service) ? output.style("red", "to blame") : "",
    ]),
  );
  output.hint("", "Of the newest ten seconds; own is without what it waits for.");
  return EXIT.ok;
}

const figure = (value: number | null): string => (value === null ? "–" : formatValue(Number(value.toPrecision(3))));

function calleesOf(service: string, { edges }: CallGraph): string {
  return edges
    .filter(({ from }) => from === service)
    .map(
      ({ to, now }) =>
        `${to} (${figure(now.callsPerS)}/s${now.errorsPerS > 0 ? `, ${figure(now.errorsPerS)} errors/s` : ""})`,
    )
    .join(", ");
}
