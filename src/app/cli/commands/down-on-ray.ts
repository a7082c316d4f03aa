import { formatDuration } from "#core/duration.ts";
import { stopOnRay } from "../../ray/organism-down.ts";
import { resolveRaySettings } from "../../ray/ray-settings.ts";
import { CliError } from "../cli-error.ts";
import type { CommandContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";

/** Takes the organism off a cluster: its applications and its registry, and nothing else. */
export async function downOnRay({ output, home }: CommandContext, address: string): Promise<ExitCode> {
  const settings = resolveRaySettings(address);
  const outcome = await stopOnRay({ home, settings });
  if (outcome === undefined) {
    throw new CliError(`No organism "${home.namespace}" is up on ${settings.address}.`, {
      code: "NOT_RUNNING",
      todo: [`Bring it up: RAY_ADDRESS=${settings.address} seedcore up`],
      exitCode: EXIT.running,
    });
  }
  output.data({ stopped: true, applications: outcome.applications, tookMs: outcome.tookMs });
  const what = outcome.applications.join(", ") || "what was left of it";
  output.line(`Taken off ${settings.address} after ${formatDuration(outcome.tookMs)}: ${what}.`);
  output.line("What it knows is kept in its database.");
  return EXIT.ok;
}
