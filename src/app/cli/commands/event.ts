import { usageError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";

export interface EventInvocation extends Invocation {
  readonly options: { readonly kind: string; readonly target: string; readonly at?: string };
}

/** `event TEXT`: tells the coordinator that something was changed. */
export async function run(context: CommandContext, { args, options }: EventInvocation): Promise<ExitCode> {
  const { output } = context;
  const summary = (args[0] ?? "").trim();
  if (summary === "")
    throw usageError("What was changed?", 'Say it in a few words: seedcore event "shop 2.4.1 rolled out"');
  const atMs = options.at === undefined ? context.now() : Date.parse(options.at);
  if (Number.isNaN(atMs)) {
    throw usageError(`"${options.at}" is not a time.`, "Write it as ISO 8601, such as 2026-01-31T12:00:00Z.");
  }
  const coordinator = (await context.connect()).getServiceClient("coordinator");
  const { id } = await coordinator.reportChange({ kind: options.kind, target: options.target, summary, atMs });
  output.data({ id, kind: options.kind, target: options.target, summary, atMs });
  output.line(`Recorded as ${id}. Incidents near it in time will show it.`);
  output.hint("", "Next: seedcore incidents");
  return EXIT.ok;
}
