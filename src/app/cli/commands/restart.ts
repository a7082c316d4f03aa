import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";

export interface RestartInvocation extends Invocation {
  readonly args: readonly [host: string];
}

/** `restart HOST`: each of its replicas anew, one by one, new before old. */
export async function run(context: CommandContext, { args: [host] }: RestartInvocation): Promise<ExitCode> {
  const { output } = context;
  const restarted = await (await context.connect()).getServiceClient("telemetry").restartHost({ host });
  output.data(restarted);
  output.line(`${host} is restarted, replica by replica, new before old.`);
  output.hint("", "Next: seedcore status");
  return EXIT.ok;
}
