import type { Action } from "#contracts/action.ts";
import { settleCommand, skillName } from "#contracts/action-text.ts";
import { CliError, usageError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { toWholeId } from "../whole-id.ts";
import { printActions } from "./actions.ts";

export interface SettleInvocation extends Invocation {
  readonly options: { readonly outcome?: "helped" | "useless" | "failed" };
}

/** `settle` lists what nobody knows the outcome of; `settle ID --outcome OUTCOME` says it. */
export async function run(context: CommandContext, { args, options }: SettleInvocation): Promise<ExitCode> {
  const { output } = context;
  const [given] = args;
  const { outcome } = options;
  if (given !== undefined && outcome === undefined) {
    throw usageError("What became of it?", `Use: ${settleCommand(given)}, which is helped, useless or failed`);
  }
  if (given === undefined && outcome !== undefined) {
    throw usageError(
      `Which action ${outcome === "helped" ? outcome : `was ${outcome}`}?`,
      "List them: seedcore settle",
    );
  }
  const coordinator = (await context.connect()).getServiceClient("coordinator");
  const { actions } = await coordinator.listActions({ state: "unknown", limit: 1_000 });
  if (given === undefined || outcome === undefined) {
    output.data({ actions });
    if (actions.length === 0) {
      output.line("What became of every action is known.");
      output.hint("Next: seedcore actions");
      return EXIT.ok;
    }
    printActions(output, actions, context.now());
    const [newest] = actions;
    output.hint("", `Next: look, then ${settleCommand(newest?.id ?? "ID")} (helped, useless or failed: not done)`);
    return EXIT.ok;
  }
  const ids = actions.map((action) => action.id);
  const id = toWholeId(given, ids, { kind: "actions", list: "seedcore settle" });
  const settled = await coordinator.settleAction.try({ id, outcome });
  if (!settled.ok) {
    throw new CliError(settled.error.message, {
      code: settled.error.code,
      todo: ["List what nobody knows the outcome of: seedcore settle"],
    });
  }
  output.data(settled.value);
  output.line(toLine(settled.value));
  output.hint("", `Next: seedcore incidents show ${settled.value.incidentId}`);
  return EXIT.ok;
}

function toLine(action: Action): string {
  const { state } = action;
  const what = skillName(action);
  if (state === "helped") return `${what} helped.`;
  if (state === "failed") return `${what} was not done.`;
  return `${what} did not help${state === "undoing" ? "; it is being taken back" : ""}.`;
}
