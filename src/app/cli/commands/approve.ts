import type { Action } from "#contracts/action.ts";
import { skillName } from "#contracts/action-text.ts";
import { formatDuration } from "#core/duration.ts";
import { CliError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { toWholeId } from "../whole-id.ts";
import { printActions } from "./actions.ts";

export interface ApproveInvocation extends Invocation {
  readonly options: { readonly reject?: boolean; readonly reason: string };
}

/** `approve` lists what waits; `approve ID` does it, `approve ID --reject` does not. */
export async function run(context: CommandContext, { args, options }: ApproveInvocation): Promise<ExitCode> {
  const { output } = context;
  const coordinator = (await context.connect()).getServiceClient("coordinator");
  const { actions } = await coordinator.listActions({ state: "proposed", limit: 1_000 });
  const [given] = args;
  if (given === undefined) {
    output.data({ actions });
    if (actions.length === 0) {
      output.line("Nothing waits for approval.");
      output.hint("Next: seedcore actions");
      return EXIT.ok;
    }
    printActions(output, actions, context.now());
    output.hint("", `Next: seedcore incidents show ${actions[0]?.incidentId}, then seedcore approve ${actions[0]?.id}`);
    return EXIT.ok;
  }
  const ids = actions.map((action) => action.id);
  const id = toWholeId(given, ids, { kind: "actions", list: "seedcore approve" });
  const approve = options.reject !== true;
  const outcome = await coordinator.decideAction.try({ id, approve, reason: options.reason });
  if (!outcome.ok) {
    throw new CliError(outcome.error.message, {
      code: outcome.error.code,
      todo: ["List what waits: seedcore approve"],
    });
  }
  output.data(outcome.value);
  output.line(toLine(outcome.value, context.now()));
  output.hint("", `Next: seedcore incidents show ${outcome.value.incidentId}`);
  return EXIT.ok;
}

function toLine(action: Action, nowMs: number): string {
  const { state, createdAtMs } = action;
  const what = skillName(action);
  const waited = formatDuration(Math.max(0, nowMs - createdAtMs));
  return state === "rejected"
    ? `${what} is not done; it had waited ${waited}.`
    : `${what} is ${state}, after it waited ${waited}.`;
}
