import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Rollout, RolloutVersion } from "#contracts/telemetry.ts";
import { systemClock, sleep } from "#core/clock.ts";
import { whyNotSteps } from "#runtime/engine/rollout.ts";
import { loadConnectSettings } from "../../config.ts";
import type { Connection } from "../../connect.ts";
import { nearestName } from "../../nearest-name.ts";
import { programOf } from "../../program-path.ts";
import { HOST_ENTRY } from "../../ray/package-files.ts";
import { CliError, usageError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { whereItsLogIs } from "../log-place.ts";
import { toDuration, toInteger } from "../options.ts";
import type { Output } from "../output.ts";
import { createProgress } from "../progress.ts";
import { describeFigures, describeStep, isOver } from "../rollout-text.ts";

export interface RolloutInvocation extends Invocation {
  readonly options: {
    readonly to?: string;
    readonly from?: string;
    readonly steps: string;
    readonly every: string;
    readonly status?: boolean;
    readonly abort?: boolean;
  };
}

const LOOK_MS = 500;

/** `rollout HOST --to VERSION`, `--status`, `--abort`. */
export async function run(context: CommandContext, { args, options }: RolloutInvocation): Promise<ExitCode> {
  const host = args[0] ?? "";
  if ([options.to !== undefined, options.status, options.abort].filter(Boolean).length !== 1) {
    throw usageError("Say what to do with it.", `Use one of: --to VERSION, --status, --abort`);
  }
  // On Ray a build is sent before the organism is asked: what cannot be is refused before that.
  const version = options.to === undefined ? "" : toVersion(options.to);
  const steps = toSteps(options.steps);
  const everyMs = toEvery(options.every);
  const connection = await context.connect();
  await refuseUnknown(connection, host);
  if (options.status === true) return show(context, connection, host);
  if (options.abort === true) return abort(context, connection, host);
  const code = await packageOf(context, connection, options.from);
  if (context.signal.aborted) {
    context.output.hint("Nothing was started.");
    return EXIT.interrupted;
  }
  const telemetry = connection.getServiceClient("telemetry");
  const started = await telemetry.startRollout({ host, version, package: code, entry: HOST_ENTRY, steps, everyMs });
  return follow(context, connection, started);
}

function toVersion(text: string): string {
  if (RolloutVersion.safeParse(text).success) return text;
  throw usageError(
    `--to "${text}": the name of a version begins with a letter or a digit and has up to 41 of letters, digits, ".", "+", "_" and "-".`,
  );
}

function toSteps(text: string): number[] {
  const steps = text.split(",").map((step) => toInteger("--steps", step.trim(), 1, 100));
  const wrong = whyNotSteps(steps);
  if (wrong !== undefined) throw usageError(wrong);
  return steps;
}

const MAX_EVERY_MS = 7 * 86_400_000;

function toEvery(text: string): number {
  const ms = toDuration("--every", text);
  if (ms >= 1_000 && ms <= MAX_EVERY_MS) return ms;
  throw usageError(`--every ${text}: it must be from 1s to 7d.`);
}

/** Prints each step as it is taken until the rollout has ended; whoever stops watching does not stop it. */
async function follow(context: CommandContext, connection: Connection, started: Rollout): Promise<ExitCode> {
  const { output, signal } = context;
  const telemetry = connection.getServiceClient("telemetry");
  const { host } = started;
  let rollout = started;
  let told = "";
  const progress = createProgress(output);
  while (true) {
    const line = describeStep(rollout);
    if (line !== told) {
      progress.clear();
      output.line(line);
      told = line;
    }
    if (isOver(rollout)) break;
    progress.show(undefined, describeFigures(rollout));
    await sleep(systemClock, LOOK_MS, signal).catch(() => {});
    if (signal.aborted) {
      progress.clear();
      output.hint(
        `It goes on. Look at it: seedcore rollout ${host} --status. Stop it: seedcore rollout ${host} --abort`,
      );
      return EXIT.interrupted;
    }
    // A rollout replaces hosts, telemetry's own among them: what cannot be asked now is asked again.
    const seen = await telemetry.rollout({ host }).catch(() => undefined);
    if (seen?.rollout) rollout = seen.rollout;
  }
  progress.clear();
  output.data(rollout);
  return end(output, rollout);
}

function end(output: Output, rollout: Rollout): ExitCode {
  output.line(describeFigures(rollout));
  output.hint("", rollout.state === "finished" ? "Next: seedcore status" : whereItsLogIs(rollout.host));
  return rollout.state === "returned" ? EXIT.failed : EXIT.ok;
}

async function show({ output }: CommandContext, connection: Connection, host: string): Promise<ExitCode> {
  const { rollout } = await connection.getServiceClient("telemetry").rollout({ host });
  output.data({ rollout });
  if (rollout === null) {
    output.line(`"${host}" was never rolled out step by step.`);
    output.hint("", `Begin: seedcore rollout ${host} --to VERSION`);
    return EXIT.ok;
  }
  output.line(describeStep(rollout));
  output.line(describeFigures(rollout));
  if (!isOver(rollout)) output.hint("", `Stop it: seedcore rollout ${host} --abort`);
  return EXIT.ok;
}

async function abort({ output }: CommandContext, connection: Connection, host: string): Promise<ExitCode> {
  const { aborted, rollout } = await connection.getServiceClient("telemetry").abortRollout({ host });
  output.data({ aborted, rollout });
  output.line(aborted && rollout ? describeStep(rollout) : `No rollout of "${host}" goes on.`);
  output.hint("", "Next: seedcore status");
  return EXIT.ok;
}

async function refuseUnknown(connection: Connection, host: string): Promise<void> {
  const { hosts } = await connection.getServiceClient("telemetry").status({});
  const known = hosts.map(({ name }) => name);
  if (known.includes(host)) return;
  const near = nearestName(host, known);
  throw new CliError(`There is no host "${host}".`, {
    code: "UNKNOWN_HOST",
    todo: [near === undefined ? `There are: ${known.join(", ")}.` : `Did you mean "${near}"?`],
  });
}

/** Where the new version's code is, as its engine finds it. */
async function packageOf(context: CommandContext, connection: Connection, from: string | undefined): Promise<string> {
  const folder = from === undefined ? dirname(programOf("host")) : resolve(from);
  if (![HOST_ENTRY, "manifest.json"].every((name) => existsSync(join(folder, name)))) {
    throw usageError(
      `${folder} is no build of SeedCore: it has no ${HOST_ENTRY} or no manifest.json.`,
      "Name one: --from PATH, such as another checkout's dist folder.",
    );
  }
  const { engine } = await connection.getServiceClient("telemetry").status({});
  if (engine === "embedded") return folder;
  const { rayAddress } = loadConnectSettings();
  if (rayAddress === undefined) {
    throw new CliError("The organism runs on Ray, and the new version has to be sent to its cluster.", {
      todo: ["Name it: RAY_ADDRESS=ray://head:10001 seedcore rollout …"],
    });
  }
  const { sendPackage } = await import("../../ray/package-upload.ts");
  return sendPackage(rayAddress, folder, context.home.namespace);
}
