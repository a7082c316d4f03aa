import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";

export interface RollbackInvocation extends Invocation {
  readonly args: readonly [host: string];
}

/** `rollback HOST`: its previous version in the place of the present one. */
export async function run(context: CommandContext, { args: [host] }: RollbackInvocation): Promise<ExitCode> {
  const { output } = context;
  const back = await (await context.connect()).getServiceClient("telemetry").rollBackHost({ host });
  output.data(back);
  output.line(`${host} goes back from version ${back.previous} to ${back.version}, new before old.`);
  output.hint("", "Next: seedcore status", "The same again leads back: seedcore rollback " + host);
  return EXIT.ok;
}
