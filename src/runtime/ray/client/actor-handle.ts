import type { ErrorCode } from "#core/error-codes.ts";
import { isServiceError, ServiceError } from "#core/service-error.ts";
import { type RayHandle, RayReference, toRayReference } from "../pickle/ray-reference.ts";
import type { PyValue } from "../pickle/values.ts";
import { EXEC, submitTask, terminate } from "./commands.ts";
import type { RequestTime } from "./datapath.ts";
import { ofLostSession, type ObjectRef } from "./object-ref.ts";
import type { Claim } from "./references.ts";
import type { CallTime, RemoteCallOptions } from "./call-time.ts";
import type { MakeTask, Runner } from "./runner.ts";
import type { OpenSession } from "./session.ts";
import { type Arguments, toMethodOptions, type MethodOptions } from "./remote-options.ts";

/** Methods of a Python class as TypeScript sees them: `{ add(n: number): number }`. Nothing checks that they are there. */
export type Methods = object;

/** What a handle is taken for whose methods nobody described. */
export type AnyMethods = Readonly<Record<string, (...args: PyValue[]) => PyValue>>;

type ArgumentsOf<M, K extends keyof M> = M[K] extends (...args: infer A) => unknown ? Arguments<A> : never;
type ResultOf<M, K extends keyof M> = M[K] extends (...args: never) => infer R ? Awaited<R> : never;

/** Where an actor is found again by any session. */
export interface ActorName {
  readonly name: string;
  readonly namespace: string;
}

/**
 * An actor in the cluster. One with a name is found again by it after a loss of the session; one without belongs to the
 * session that made it, and dies with it. An actor without a name also dies when its last handle is released or
 * collected.
 */
export class ActorHandle<M extends Methods = AnyMethods> implements RayHandle, Disposable {
  readonly #runner: Runner;
  readonly #name: ActorName | undefined;
  /** The session that knows it, and as what; a named one may have none yet. */
  #known: { readonly session: OpenSession; readonly id: Uint8Array } | undefined;
  #claim: Claim | undefined;

  private constructor(runner: Runner, name: ActorName | undefined) {
    this.#runner = runner;
    this.#name = name;
  }

  /** @internal @param known the actor in the present session, if it was just made there. */
  static named<M extends Methods>(
    runner: Runner,
    name: ActorName,
    known?: { readonly session: OpenSession; readonly id: Uint8Array },
  ): ActorHandle<M> {
    const handle = new ActorHandle<M>(runner, name);
    handle.#known = known;
    return handle;
  }

  /** @internal */
  static unnamed<M extends Methods>(runner: Runner, session: OpenSession, id: Uint8Array): ActorHandle<M> {
    const handle = new ActorHandle<M>(runner, undefined);
    handle.#known = { session, id };
    handle.#claim = session.references.claim(id, handle);
    return handle;
  }

  /** Its name, if it has one. */
  get name(): string | undefined {
    return this.#name?.name;
  }

  /** Runs a method and gives its result. Aborted or past its deadline, the method is cancelled where Ray can. */
  async call<K extends keyof M & string>(
    method: K,
    args: ArgumentsOf<M, K>,
    options: RemoteCallOptions & MethodOptions = {},
  ): Promise<ResultOf<M, K>> {
    try {
      return (await this.#runner.call(this.#text(method), options, this.#method(method, args, options))) as ResultOf<
        M,
        K
      >;
    } catch (error) {
      this.#forgetIfDead(error);
      throw error;
    }
  }

  /** Runs a method and leaves its result in the cluster. */
  async start<K extends keyof M & string>(
    method: K,
    args: ArgumentsOf<M, K>,
    options: RemoteCallOptions & MethodOptions = {},
  ): Promise<ObjectRef<ResultOf<M, K>>> {
    const ref = await this.#runner.start(this.#text(method), options, this.#method(method, args, options));
    return ref as ObjectRef<ResultOf<M, K>>;
  }

  /**
   * Kills the actor at once. With `restart` Ray starts it again if its `maxRestarts` allow.
   * @throws ServiceError NOT_FOUND when there is none.
   */
  async kill(options: CallTime & { readonly restart?: boolean } = {}): Promise<void> {
    const time = this.#runner.toRequestTime(options);
    const session = await this.#runner.session.use(time);
    const id = await this.idIn(session, time);
    const value = { id, noRestart: options.restart !== true };
    await terminate(this.#runner.calls, session, `killing ${this.#text()}`, { case: "actor", value }, time);
    if (value.noRestart && this.#name !== undefined) this.#known = undefined;
  }

  /** Gives up this handle. Again is harmless. */
  release(): void {
    this.#claim?.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** @internal The actor's id in a session; a named one is looked up. */
  async idIn(session: OpenSession, time: RequestTime): Promise<Uint8Array> {
    if (this.#known?.session === session) return this.#known.id;
    const name = this.#name;
    if (name === undefined) {
      throw ofLostSession(this.#text(), "Create it again, or give it a name to find it again by.");
    }
    const data = await this.#runner.encodeArguments(session, [], {}, time);
    const task = { type: EXEC.NAMED_ACTOR, ...name, data };
    const id = await submitTask(session, `looking up ${this.#text()}`, task, time);
    this.#known = { session, id };
    return id;
  }

  [toRayReference](): RayReference {
    if (this.#known === undefined || this.#known.session.datapath.lost.aborted) {
      if (this.#name !== undefined) throw new UnresolvedActor(this);
      throw ofLostSession(this.#text(), "Create it again, or give it a name to find it again by.");
    }
    return new RayReference("Actor", this.#known.session.datapath.clientId, this.#known.id);
  }

  #method(name: string, args: readonly PyValue[], options: RemoteCallOptions & MethodOptions): MakeTask {
    return async (session, time) => {
      const payloadId = await this.idIn(session, time);
      const data = await this.#runner.encodeArguments(session, args, options.kwargs, time);
      const pickled = toMethodOptions(options);
      return { type: EXEC.METHOD, name, payloadId, data, ...(pickled === undefined ? {} : { options: pickled }) };
    };
  }

  /** The name may belong to another actor by now. */
  #forgetIfDead(error: unknown): void {
    const dead: ErrorCode = "ACTOR_DIED";
    if (this.#name !== undefined && isServiceError(error) && error.code === dead) this.#known = undefined;
  }

  #text(method?: string): string {
    const known = this.#known === undefined ? "" : Buffer.from(this.#known.id).toString("hex");
    const actor = `actor ${this.#name?.name ?? known}`;
    return method === undefined ? actor : `${method}() of ${actor}`;
  }
}

/** @internal A handle of an actor that is known by its name, which is looked up now. @throws ServiceError NOT_FOUND. */
export async function createNamedHandle<M extends Methods>(
  runner: Runner,
  name: ActorName,
  options: CallTime,
): Promise<ActorHandle<M>> {
  const time = runner.toRequestTime(options);
  const handle = ActorHandle.named<M>(runner, name);
  await handle.idIn(await runner.session.use(time), time);
  return handle;
}

/** A named actor that this session has not looked up, met among the arguments of a call. */
export class UnresolvedActor extends ServiceError {
  readonly handle: ActorHandle<Methods>;

  constructor(handle: ActorHandle<Methods>) {
    super("INTERNAL", `${handle.name} was to be looked up first.`);
    this.handle = handle;
  }
}
