import { MOST_REPLICAS } from "#contracts/telemetry.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { toInteger } from "../options.ts";

export interface ScaleInvocation extends Invocation {
  readonly args: readonly [host: string, replicas: string];
}

/** `scale HOST REPLICAS`: how many of it should run. */
export async function run(context: CommandContext, { args: [host, text] }: ScaleInvocation): Promise<ExitCode> {
  const { output } = context;
  const replicas = toInteger("replicas", text, 0, MOST_REPLICAS);
  const scaled = await (await context.connect()).getServiceClient("telemetry").scaleHost({ host, replicas });
  output.data(scaled);
  output.line(
    scaled.previous === scaled.replicas
      ? `${host} has ${replicas} ${replicas === 1 ? "replica" : "replicas"} already.`
      : `${host} goes from ${scaled.previous} to ${scaled.replicas} replicas.`,
  );
  output.hint("", "Next: seedcore status");
  return EXIT.ok;
}
