import type { Action, ActionState } from "#contracts/action.ts";
import { skillName } from "#contracts/action-text.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { formatAgo, formatCount } from "../format.ts";
import { toInteger } from "../options.ts";
import type { Output } from "../output.ts";

export interface ActionsInvocation extends Invocation {
  readonly options: { readonly state?: ActionState; readonly limit: string };
}

/** `actions`: what was decided, and what became of it. */
export async function run(context: CommandContext, { options }: ActionsInvocation): Promise<ExitCode> {
  const { output } = context;
  const limit = toInteger("--limit", options.limit, 1, 1_000);
  const coordinator = (await context.connect()).getServiceClient("coordinator");
  const { actions, total } = await coordinator.listActions({ limit, state: options.state });
  output.data({ actions, total });
  if (actions.length === 0) {
    output.line(options.state === undefined ? "Nothing was decided yet." : `No action is ${options.state}.`);
    output.hint("Next: seedcore policy shows what would be done about an incident.");
    return EXIT.ok;
  }
  printActions(output, actions, context.now());
  if (total > actions.length)
    output.hint(`${formatCount(total - actions.length)} more: --limit ${Math.min(1_000, total)}`);
  output.hint("", `Next: seedcore incidents show ${actions[0]?.incidentId}`);
  return EXIT.ok;
}

export function printActions(output: Output, actions: readonly Action[], nowMs: number): void {
  output.table(
    [
      { title: "ACTION", whenNarrow: "keep end" },
      { title: "STATE" },
      { title: "DECIDED", align: "right", whenNarrow: "leave out" },
      { title: "WHAT" },
      { title: "RULE", whenNarrow: "leave out" },
      { title: "" },
    ],
    actions.map((action) => [
      action.id,
      toState(output, action.state),
      formatAgo(action.createdAtMs, nowMs),
      skillName(action),
      action.rule,
      action.reason,
    ]),
  );
}

function toState(output: Output, state: Action["state"]): string {
  if (state === "helped" || state === "done") return output.style("green", state);
  if (state === "proposed" || state === "held" || state === "unknown") return output.style("yellow", state);
  return state === "useless" || state === "failed" ? output.style("red", state) : state;
}
