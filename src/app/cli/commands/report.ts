import { skillName } from "#contracts/action-text.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { formatAgo, plural } from "../format.ts";
import { toWouldHaveDone } from "../would-have-done.ts";

/** As many as one call answers. */
const LIMIT = 1_000;

/** `report`: what would have been done, and whether it was needed. */
export async function run(context: CommandContext, _invocation: Invocation): Promise<ExitCode> {
  const { output } = context;
  const coordinator = (await context.connect()).getServiceClient("coordinator");
  const [{ actions, total }, { incidents }] = await Promise.all([
    coordinator.listActions({ limit: LIMIT }),
    coordinator.listIncidents({ limit: LIMIT }),
  ]);
  const report = toWouldHaveDone(actions, new Map(incidents.map((incident) => [incident.id, incident])));
  output.data({ report, actions: actions.length, total });
  if (report.length === 0) {
    output.line("Nothing would have been done that was not: the mode observe kept nothing from being done.");
    output.hint("Next: seedcore policy shows the modes.");
    return EXIT.ok;
  }
  const nowMs = context.now();
  output.table(
    [
      { title: "WOULD HAVE DONE" },
      { title: "RULE", whenNarrow: "leave out" },
      { title: "TIMES", align: "right" },
      { title: "ENDED BY THEMSELVES", align: "right" },
      { title: "OPEN", align: "right", whenNarrow: "leave out" },
      { title: "LAST", align: "right", whenNarrow: "leave out" },
      { title: "NEWEST" },
    ],
    report.map((one) => [
      skillName(one),
      one.rule,
      String(one.times),
      String(one.endedByThemselves),
      String(one.stillOpen),
      formatAgo(one.lastAtMs, nowMs),
      one.incidents.join(", "),
    ]),
  );
  if (total > actions.length) output.hint(`Of the newest ${plural(actions.length, "action")}; there are ${total}.`);
  output.hint("", `Next: seedcore incidents show ${report[0]?.incidents[0]}`);
  return EXIT.ok;
}
