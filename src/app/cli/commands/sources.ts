import { nearestName } from "../../nearest-name.ts";
import { CliError, usageError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { printSources } from "./status.ts";

/** `sources` and `sources remove NAME`. */
export async function run(context: CommandContext, { args }: Invocation): Promise<ExitCode> {
  const [action = "list", name] = args;
  if (action === "list") return list(context);
  if (action !== "remove") {
    throw usageError(`"${action}" is nothing that can be done with sources.`, "Use: seedcore sources [remove NAME]");
  }
  if (name === undefined) throw usageError("Which source should be removed?", "Use: seedcore sources remove NAME");
  return remove(context, name);
}

async function list(context: CommandContext): Promise<ExitCode> {
  const { output } = context;
  const { sources } = await (await context.connect()).getServiceClient("telemetry").sources({});
  output.data({ sources });
  printSources(output, sources, context.now());
  const failing = sources.find(({ state }) => state === "failing");
  if (failing !== undefined)
    output.hint("", `It is tried again by itself; or forget it: seedcore sources remove ${failing.name}`);
  else output.hint("", `Next: seedcore ${sources.length === 0 ? "watch host services" : "incidents --follow"}`);
  return EXIT.ok;
}

async function remove(context: CommandContext, name: string): Promise<ExitCode> {
  const { output } = context;
  const telemetry = (await context.connect()).getServiceClient("telemetry");
  const { sources } = await telemetry.sources({});
  const { removed } = await telemetry.removeSource({ name });
  if (!removed) {
    const names = sources.map((source) => source.name);
    const near = nearestName(name, names);
    throw new CliError(`There is no long-lived source "${name}".`, {
      code: "UNKNOWN_SOURCE",
      todo: [near === undefined ? `There are: ${names.join(", ") || "none"}.` : `Did you mean "${near}"?`],
    });
  }
  output.data({ removed: name });
  output.line(`"${name}" is no longer watched. What was scored stays.`);
  output.hint("", "Next: seedcore sources");
  return EXIT.ok;
}
