import { usageError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { formatTime } from "../format.ts";
import { toDuration } from "../options.ts";

export interface MaintenanceInvocation extends Invocation {
  readonly options: { readonly for: string; readonly reason: string };
}

/** `maintenance`, `maintenance add [TARGET]`, `maintenance remove ID`. */
export async function run(context: CommandContext, { args, options }: MaintenanceInvocation): Promise<ExitCode> {
  const { output } = context;
  const [action = "list", subject] = args;
  const coordinator = (await context.connect()).getServiceClient("coordinator");
  if (action === "add") {
    const toMs = Math.round(context.now() + toDuration("--for", options.for));
    const added = await coordinator.addMaintenance({ target: subject ?? "*", toMs, reason: options.reason });
    output.data(added);
    output.line(
      `Until ${formatTime(added.toMs)} nothing is done to ${named(added.target)}; what would be is written down.`,
    );
    output.hint("", `Next: seedcore maintenance remove ${added.id}`);
    return EXIT.ok;
  }
  if (action === "remove") {
    if (subject === undefined) throw usageError("Which one should end?", "List them: seedcore maintenance");
    const { removed } = await coordinator.removeMaintenance({ id: subject });
    output.data({ removed });
    output.line(removed ? "It has ended." : `There is no maintenance "${subject}".`);
    return removed ? EXIT.ok : EXIT.failed;
  }
  if (action !== "list") {
    throw usageError(
      `"${action}" is nothing that can be done with maintenance.`,
      "Use: seedcore maintenance [add|remove]",
    );
  }
  const { maintenances } = await coordinator.maintenances({});
  output.data({ maintenances });
  if (maintenances.length === 0) output.line("There is no maintenance, now or to come.");
  for (const { id, target, fromMs, toMs, reason } of maintenances) {
    output.line(`${id}  ${named(target)}  ${formatTime(fromMs)} to ${formatTime(toMs)}  ${reason}`);
  }
  output.hint("", "Next: seedcore maintenance add TARGET --for 2h");
  return EXIT.ok;
}

const named = (target: string): string => (target === "*" ? "anything" : target);
