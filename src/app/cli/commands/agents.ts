import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { formatShare } from "../format.ts";

/** `agents`: the organs, their agents, and what those have learned to do. */
export async function run(context: CommandContext, _invocation: Invocation): Promise<ExitCode> {
  const { output } = context;
  const connection = await context.connect();
  const [{ organs }, { agents }] = await Promise.all([
    connection.getServiceClient("organism").organs({}),
    connection.getServiceClient("state").agents({}),
  ]);
  output.data({ organs, agents });
  const known = new Map(agents.map((agent) => [agent.id, agent]));
  output.table(
    [
      { title: "AGENT", whenNarrow: "keep end" },
      { title: "CAPABILITY", align: "right" },
      { title: "DONE", align: "right" },
      { title: "FAILED", align: "right" },
      { title: "ROLES", whenNarrow: "leave out" },
      { title: "SKILLS", whenNarrow: "leave out" },
    ],
    organs.flatMap((organ) =>
      organ.agents.map((id) => {
        const agent = known.get(id);
        if (agent === undefined) return [id, "–", "0", "0", "–", ""];
        const { capability, succeeded, failed, roles, skills } = agent;
        return [
          id,
          formatShare(capability),
          String(succeeded),
          String(failed),
          `E ${formatShare(roles.E)}, S ${formatShare(roles.S)}, O ${formatShare(roles.O)}`,
          skills.map((one) => `${one.skill} ${formatShare(one.capability)}`).join(", "),
        ];
      }),
    ),
  );
  output.hint("", "Capability is smoothed success, 50 % before the first; E explorer, S specialist, O observer.");
  return EXIT.ok;
}
