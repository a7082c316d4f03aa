import { formatDuration } from "#core/duration.ts";
import { loadConnectSettings } from "../../config.ts";
import { startDetached } from "../../detach.ts";
import type { Home } from "../../home.ts";
import { type OrganismReady, runOrganism } from "../../organism.ts";
import { type PhaseReport, PHASES } from "../../startup.ts";
import { AlreadyRunningError, StartupError } from "../../startup-error.ts";
import { CliError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import type { Output } from "../output.ts";

export interface UpInvocation extends Invocation {
  readonly options: { readonly detach?: boolean; readonly insecureCluster?: boolean };
}

/** `up`: starts the organism here, or with `--detach` as a process of its own; with RAY_ADDRESS on that cluster. */
export async function run(context: CommandContext, { options }: UpInvocation): Promise<ExitCode> {
  const { output, home, signal } = context;
  const onPhase = (report: PhaseReport) => printPhase(output, report);
  try {
    const { rayAddress } = loadConnectSettings();
    if (rayAddress !== undefined) {
      const { upOnRay } = await import("./up-on-ray.ts");
      return await upOnRay(context, rayAddress, { acceptOpenCluster: options.insecureCluster === true, onPhase });
    }
    if (options.detach === true) {
      const { pid, ready } = await startDetached(home, onPhase);
      printReady(output, home, ready, pid);
      return EXIT.ok;
    }
    await runOrganism({
      home,
      signal,
      onPhase,
      onReady(ready) {
        printReady(output, home, ready, process.pid);
        output.hint("", "Ctrl-C stops it.");
      },
      onNotice: (notice) => output.warn(notice),
    });
    output.line("The organism has stopped. What it knows is kept.");
    return EXIT.ok;
  } catch (error) {
    throw toUpError(error);
  }
}

function printPhase(output: Output, { phase, durationMs, detail }: PhaseReport): void {
  const step = `${PHASES.indexOf(phase) + 1}/${PHASES.length}`;
  output.line(
    `${output.style("dim", step)} ${phase.padEnd(13)}${detail} ${output.style("dim", `(${formatDuration(durationMs)})`)}`,
  );
}

function printReady(output: Output, home: Home, ready: OrganismReady, pid: number): void {
  output.data({
    namespace: home.namespace,
    url: ready.url,
    urlWithToken: ready.urlWithToken,
    pid,
    startMs: ready.startMs,
  });
  output.line();
  output.line(`Ready after ${formatDuration(ready.startMs)}: ${output.style("bold", ready.url)}`);
  output.line(`In a browser: ${ready.urlWithToken}`);
  output.hint(
    "",
    "Try:",
    "  seedcore status                 what runs and what is watched",
    "  seedcore watch FILE.csv         score a file's series",
    "  seedcore incidents --follow     what is noticed, as it happens",
  );
}

function toUpError(error: unknown): unknown {
  if (error instanceof AlreadyRunningError) {
    return new CliError(error.message, {
      code: "ALREADY_RUNNING",
      todo: [
        "Look at it: seedcore status",
        "Stop it: seedcore down",
        "Run another beside it: SEEDCORE_NS=other SEEDCORE_PORT=7800 seedcore up",
      ],
      exitCode: EXIT.running,
      cause: error,
    });
  }
  if (error instanceof StartupError) {
    return new CliError(`The start failed in the phase "${error.phase}". ${error.message}`, {
      code: "START_FAILED",
      todo: error.todo,
      cause: error,
    });
  }
  return error;
}
