import type { PyValue } from "../pickle/values.ts";
import { ActorHandle, type Methods } from "./actor-handle.ts";
import { type ImportName, importedActor, splitImportName } from "./code.ts";
import { EXEC, submitTask } from "./commands.ts";
import { type ActorOptions, toActorBaseline, toActorOptions } from "./remote-options.ts";
import type { RemoteCallOptions } from "./call-time.ts";
import type { Runner } from "./runner.ts";

/** A Python class that actors are made of. */
export interface ActorClass<M extends Methods> {
  /**
   * Makes an actor. Ray answers before the constructor has run: what it raises comes with the first call.
   * @throws ServiceError NOT_FOUND when the head cannot import the class, CONFLICT when the name is taken.
   */
  create(args: readonly PyValue[], options?: RemoteCallOptions): Promise<ActorHandle<M>>;
}

/** @internal @throws ServiceError INVALID_INPUT when the name is not `module:name`. */
export function createActorClass<M extends Methods>(
  runner: Runner,
  name: ImportName,
  options: ActorOptions,
): ActorClass<M> {
  const path = splitImportName(name);
  const pickled = toActorOptions(runner.namespace, options);
  const baselineOptions = toActorBaseline(options);
  // Ray reads the baseline once for each piece of code, so another baseline is another piece.
  const key = baselineOptions === undefined ? `actor ${name}` : `actor ${name} with ${JSON.stringify(baselineOptions)}`;
  return {
    async create(args, callOptions = {}) {
      const time = runner.toRequestTime(callOptions);
      const session = await runner.session.use(time);
      const task = {
        type: EXEC.ACTOR,
        name,
        payloadId: await runner.codeId(session, key, () => importedActor(path), time),
        data: await runner.encodeArguments(session, args, callOptions.kwargs, time),
        options: pickled,
        ...(baselineOptions === undefined ? {} : { baselineOptions }),
      };
      const id = await submitTask(session, `creating an actor of ${name}`, task, time);
      if (options.name === undefined) return ActorHandle.unnamed<M>(runner, session, id);
      const at = { name: options.name, namespace: options.namespace ?? runner.namespace };
      return ActorHandle.named<M>(runner, at, { session, id });
    },
  };
}
