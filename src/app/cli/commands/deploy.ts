import { isServiceError } from "#core/service-error.ts";
import { type DeployOptions, deployFolder, removeHost } from "../../deploy/deploy.ts";
import { toCliError, usageError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { whereItsLogIs } from "../log-place.ts";
import { toDuration } from "../options.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";

interface DeployInvocation extends Invocation {
  readonly options: { readonly remove?: string; readonly timeout?: string };
}

/** `deploy FOLDER`, `deploy --remove NAME`: services of a person's own. */
export async function run(context: CommandContext, { args, options }: DeployInvocation): Promise<ExitCode> {
  const [folder, ...more] = args;
  if (options.remove !== undefined) {
    if (folder !== undefined) throw usageError("Either a folder is deployed, or a host is removed: not both.");
    return remove(context, options.remove);
  }
  if (folder === undefined || more.length > 0) {
    throw usageError(
      "Name the folder of one service.",
      "seedcore deploy ./greeter",
      "How to write one: docs/services.md",
    );
  }
  return deploy(context, folder, options.timeout === undefined ? {} : { readyWithinMs: toTimeout(options.timeout) });
}

/** The most that the call which waits may take, less what it needs around it. */
const MAX_TIMEOUT_MS = 220_000;

function toTimeout(text: string): number {
  const ms = toDuration("--timeout", text);
  if (ms >= 1_000 && ms <= MAX_TIMEOUT_MS) return ms;
  throw usageError(`--timeout ${text}: it must be from 1s to ${MAX_TIMEOUT_MS / 1_000}s.`);
}

async function deploy(
  context: CommandContext,
  folder: string,
  limits: Pick<DeployOptions, "readyWithinMs">,
): Promise<ExitCode> {
  const { output, home } = context;
  try {
    const { host, changed, service, version } = await deployFolder(folder, {
      ...limits,
      home,
      connect: () => context.connect(),
      onStep: (step) => output.line(step),
    });
    output.data({ host: host.name, service, version, changed, generation: host.generation, replicas: host.replicas });
    output.line(changed ? `${host.name} runs at version ${version}:` : `${host.name} runs as it is already:`);
    output.table(
      [{ title: "REPLICA" }, { title: "NODE" }, { title: "PID", align: "right" }, { title: "ADDRESS" }],
      host.replicas
        .filter(({ state }) => state === "ready")
        .map(({ id, node, pid, address }) => [id, node ?? "", String(pid ?? ""), address ?? ""]),
    );
    output.hint("", `Its procedures: seedcore call | grep ${service}`, whereItsLogIs(host.name));
    return EXIT.ok;
  } catch (error) {
    if (isServiceError(error) && error.code === "DEPLOY_FAILED") {
      const { host } = error.data as { readonly host: string };
      throw toCliError(error).with(whereItsLogIs(host));
    }
    throw error;
  }
}

async function remove({ connect, output }: CommandContext, host: string): Promise<ExitCode> {
  const removed = await removeHost(await connect(), host);
  output.data({ host, removed });
  output.line(removed ? `${host} was removed.` : `There was no ${host}.`);
  return EXIT.ok;
}
