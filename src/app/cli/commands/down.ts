import { formatDuration } from "#core/duration.ts";
import { loadConnectSettings } from "../../config.ts";
import { bringDown } from "../../down.ts";
import { CliError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { createProgress } from "../progress.ts";

export interface DownInvocation extends Invocation {
  readonly options: { readonly now?: boolean };
}

const HINT_AFTER_MS = 10_000;

/** `down`: stops the organism of this namespace; with RAY_ADDRESS the one on that cluster. */
export async function run(context: CommandContext, { options }: DownInvocation): Promise<ExitCode> {
  const { home, output } = context;
  const { rayAddress } = loadConnectSettings();
  if (rayAddress !== undefined) {
    const { downOnRay } = await import("./down-on-ray.ts");
    return downOnRay(context, rayAddress);
  }
  const progress = createProgress(output);
  const onWait = (waitedMs: number) =>
    progress.show(
      undefined,
      `It finishes what it has begun, ${formatDuration(waitedMs)}${waitedMs < HINT_AFTER_MS ? "" : " (seedcore down --now ends it)"}`,
    );
  const outcome = await bringDown(home, { now: options.now === true, onWait });
  progress.clear();
  switch (outcome.kind) {
    case "stopped":
      output.data({ stopped: true, pid: outcome.run.pid, tookMs: outcome.tookMs });
      output.line(`Stopped after ${formatDuration(outcome.tookMs)}. What it knows is kept.`);
      output.hint("", "Next: seedcore up");
      return EXIT.ok;
    case "not-running": {
      const stale = outcome.stale ? " A run file of an earlier life was removed." : "";
      throw new CliError(`No organism runs in the namespace "${home.namespace}".${stale}`, {
        code: "NOT_RUNNING",
        todo: ["Start one: seedcore up"],
        exitCode: EXIT.running,
      });
    }
    case "still-running":
      throw new CliError(`Process ${outcome.run.pid} has not stopped yet.`, {
        code: "STILL_RUNNING",
        todo: ["Wait and look again: seedcore status", "Or end it at once: seedcore down --now"],
      });
  }
}
