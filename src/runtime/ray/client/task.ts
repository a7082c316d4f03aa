import type { PyValue } from "../pickle/values.ts";
import { type ImportName, importedTask, splitImportName } from "./code.ts";
import { EXEC } from "./commands.ts";
import type { ObjectRef } from "./object-ref.ts";
import { type Arguments, type TaskOptions, toTaskOptions } from "./remote-options.ts";
import type { RemoteCallOptions } from "./call-time.ts";
import type { MakeTask, Runner } from "./runner.ts";

type Parameters<F> = F extends (...args: infer A) => unknown ? A : never;
type Result<F> = F extends (...args: never) => infer R ? Awaited<R> : never;

/** A Python function that runs in the cluster. */
export interface Task<F> {
  /** Runs it and gives its result. Aborted or past its deadline, it is cancelled. */
  call(args: Arguments<Parameters<F>>, options?: RemoteCallOptions): Promise<Result<F>>;
  /** Runs it and leaves its result in the cluster. */
  start(args: Arguments<Parameters<F>>, options?: RemoteCallOptions): Promise<ObjectRef<Result<F>>>;
}

/** @internal @throws ServiceError INVALID_INPUT when the name is not `module:name`. */
export function createTask<F>(runner: Runner, name: ImportName, options: TaskOptions): Task<F> {
  const path = splitImportName(name);
  const pickled = toTaskOptions(name, options);
  const make =
    (args: readonly PyValue[], { kwargs }: RemoteCallOptions): MakeTask =>
    async (session, time) => ({
      type: EXEC.FUNCTION,
      name,
      payloadId: await runner.codeId(session, `task ${name}`, () => importedTask(path), time),
      data: await runner.encodeArguments(session, args, kwargs, time),
      options: pickled,
    });
  return {
    async call(args, callOptions = {}) {
      return (await runner.call(name, callOptions, make(args, callOptions))) as Result<F>;
    },
    async start(args, callOptions = {}) {
      return (await runner.start(name, callOptions, make(args, callOptions))) as ObjectRef<Result<F>>;
    },
  };
}
