import { asTyped } from "../command-name.ts";
import type { CommandContext } from "../context.ts";
import { diagnose, type Finding } from "../diagnose.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { plural } from "../format.ts";

/** `doctor`: checks what an organism needs, one line each, and says what to do about what is wrong. */
export async function run({ output, home }: CommandContext): Promise<ExitCode> {
  const findings: Finding[] = [];
  for await (const finding of diagnose(home)) {
    findings.push(finding);
    const mark = {
      ok: output.style("green", "ok  "),
      note: output.style("yellow", "note"),
      bad: output.style("red", "BAD "),
    };
    output.line(`${mark[finding.state]}  ${finding.check.padEnd(12)} ${finding.text}`);
    if (finding.todo !== undefined)
      output.line(`      ${"".padEnd(12)} ${output.style("cyan", asTyped(finding.todo))}`);
  }
  const bad = findings.filter(({ state }) => state === "bad");
  output.data({ healthy: bad.length === 0, findings });
  output.line();
  output.line(bad.length === 0 ? "Nothing is wrong." : `${plural(bad.length, "thing is", "things are")} wrong.`);
  if (bad.length === 0) output.hint("", "Next: seedcore status");
  return bad.length === 0 ? EXIT.ok : EXIT.failed;
}
