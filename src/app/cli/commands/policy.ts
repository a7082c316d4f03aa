import { readFileSync } from "node:fs";
import { z } from "zod";
import { ModeRule, PolicyRule } from "#contracts/policy.ts";
import { skillName } from "#contracts/action-text.ts";
import type { Connection } from "../../connect.ts";
import { CliError, usageError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { formatTime } from "../format.ts";
import { toDuration } from "../options.ts";

export interface PolicyInvocation extends Invocation {
  readonly options: { readonly since?: string };
}

const PolicyFile = z.strictObject({ policy: z.array(PolicyRule).optional(), modes: z.array(ModeRule).optional() });

/** `policy` shows what is in force; `policy test [FILE]` tries it, or a file, on past incidents. */
export async function run(context: CommandContext, { args, options }: PolicyInvocation): Promise<ExitCode> {
  const [action, file] = args;
  if (action === undefined) return show(context);
  if (action !== "test") {
    throw usageError(`"${action}" is nothing that can be done with the policy.`, "Use: seedcore policy [test [FILE]]");
  }
  return test(context, file, options.since);
}

async function show(context: CommandContext): Promise<ExitCode> {
  const { output } = context;
  const policy = await (await context.connect()).getServiceClient("coordinator").policy({});
  output.data(policy);
  const { refused } = policy;
  if (refused !== null) {
    const what = `Refused at ${formatTime(refused.atMs)}: ${refused.source}. What stands below is the last good one.`;
    for (const line of [what, ...refused.problems]) output.line(output.style("red", line));
  }
  for (const problem of policy.problems) output.line(output.style("red", `Problem: ${problem}`));
  for (const [i, { name, when, ...rule }] of policy.rules.entries()) {
    output.line(`${i + 1}. ${output.style("bold", name)}: ${skillName(rule)}`);
    output.line(`   when ${when}`);
  }
  output.line();
  for (const { skill, target, mode } of policy.modes) output.line(`${skill} of ${target}: ${mode}`);
  output.line("Everything else: act without a risk, propose with one.");
  output.hint("", "Next: seedcore policy test");
  return EXIT.ok;
}

async function test(context: CommandContext, file: string | undefined, since: string | undefined): Promise<ExitCode> {
  const { output } = context;
  const given = file === undefined ? {} : readPolicy(file);
  const sinceMs = since === undefined ? 0 : context.now() - toDuration("--since", since);
  const tried = await tryOut(await context.connect(), given, Math.max(0, Math.round(sinceMs)));
  output.data(tried);
  for (const problem of tried.problems) output.line(output.style("red", problem));
  if (tried.problems.length > 0) return EXIT.failed;
  if (tried.decisions.length === 0) {
    output.line("There is no incident to try it on.");
    return EXIT.ok;
  }
  output.table(
    [
      { title: "INCIDENT", whenNarrow: "keep end" },
      { title: "RULE" },
      { title: "WOULD" },
      { title: "MODE" },
      { title: "DID", whenNarrow: "leave out" },
      { title: "" },
    ],
    tried.decisions.map((one) => [
      one.incidentId,
      one.unknown.length === 0 ? (one.rule ?? "none") : `${one.rule ?? "none"}, unless ${one.unknown.join(", ")}`,
      one.skill === null ? "nothing" : skillName({ ...one, skill: one.skill }),
      one.mode ?? "",
      one.actual ?? "nothing",
      one.title,
    ]),
  );
  for (const error of new Set(tried.decisions.flatMap(({ errors }) => errors)))
    output.line(output.style("yellow", error));
  return EXIT.ok;
}

function tryOut(connection: Connection, given: z.output<typeof PolicyFile>, sinceMs: number) {
  return connection
    .getServiceClient("coordinator")
    .testPolicy({ rules: given.policy, modes: given.modes, sinceMs, limit: 1_000 });
}

function readPolicy(file: string): z.output<typeof PolicyFile> {
  const problem = (message: string) =>
    new CliError(`${file} cannot be used as a policy: ${message}`, {
      code: "POLICY",
      todo: ['Write {"policy": [{"name": …, "when": …, "skill": …}], "modes": []}; docs/policy.md has examples.'],
    });
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw problem((error as Error).message);
  }
  const parsed = PolicyFile.safeParse(content);
  if (parsed.success) return parsed.data;
  throw problem(parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
}
