import { usageError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { formatTime } from "../format.ts";
import { toDuration } from "../options.ts";

export interface SilenceInvocation extends Invocation {
  readonly options: { readonly for: string; readonly reason: string };
}

/** `silence`, `silence add SERIES`, `silence remove ID`. */
export async function run(context: CommandContext, { args, options }: SilenceInvocation): Promise<ExitCode> {
  const { output } = context;
  const [action = "list", subject] = args;
  const coordinator = (await context.connect()).getServiceClient("coordinator");
  if (action === "add") {
    if (subject === undefined) throw usageError("Which series?", 'Use: seedcore silence add "host/*" --for 2h');
    const toMs = Math.round(context.now() + toDuration("--for", options.for));
    const added = await coordinator.addSilence({ series: subject, toMs, reason: options.reason });
    output.data(added);
    output.line(
      `Until ${formatTime(added.toMs)} what ${added.series} does opens no incident. It is scored all the same.`,
    );
    output.hint("", `Next: seedcore silence remove ${added.id}`);
    return EXIT.ok;
  }
  if (action === "remove") {
    if (subject === undefined) throw usageError("Which one should end?", "List them: seedcore silence");
    const { removed } = await coordinator.removeSilence({ id: subject });
    output.data({ removed });
    output.line(removed ? "It has ended." : `There is no silence "${subject}".`);
    return removed ? EXIT.ok : EXIT.failed;
  }
  if (action !== "list") {
    throw usageError(`"${action}" is nothing that can be done with silences.`, "Use: seedcore silence [add|remove]");
  }
  const { silences } = await coordinator.silences({});
  output.data({ silences });
  if (silences.length === 0) output.line("Nothing is silenced, now or to come.");
  for (const { id, series, fromMs, toMs, reason } of silences) {
    output.line(`${id}  ${series}  ${formatTime(fromMs)} to ${formatTime(toMs)}  ${reason}`);
  }
  output.hint("", "Next: seedcore silence add SERIES --for 2h");
  return EXIT.ok;
}
