/** Makes the typed client of a contract: what every transport has in common. */
import { type Clock, systemClock } from "#core/clock.ts";
import type { Contract, DeclaredError, Procedure } from "#core/contract.ts";
import { type Ids, systemIds } from "#core/ids.ts";
import { type Random, systemRandom } from "#core/random.ts";
import type { Result } from "#core/result.ts";
import { ServiceError, toServiceError } from "#core/service-error.ts";
import { type Call, currentCall } from "../call.ts";
import type { Policy } from "../policy/policy.ts";
import { childTrace, newTrace } from "../trace.ts";
import { parseInput, parseOutput } from "../validation.ts";
import { type CallScope, openCallScope } from "./call-scope.ts";
import type { CallOptions, Client } from "./client.ts";
import type { OutgoingCall, Transport } from "./transport.ts";

export interface ClientOptions {
  readonly transport: Transport;
  /** Wraps every call of this link, and the opening of its streams. */
  readonly policy?: Policy;
  readonly clock?: Clock;
  readonly ids?: Ids;
  readonly random?: Random;
}

type Input = Readonly<Record<string, unknown>>;

interface Link {
  readonly contract: Contract;
  readonly transport: Transport;
  readonly policy: Policy | undefined;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
}

/**
 * The client of `contract`. Inputs are checked before anything is sent (INVALID_INPUT) and answers before they are
 * returned (BAD_OUTPUT). A call made while another is handled inherits its deadline, correlation id, trace, priority and
 * cancellation.
 */
export function createClient<C extends Contract>(contract: C, options: ClientOptions): Client<C> {
  const link: Link = {
    contract,
    transport: options.transport,
    policy: options.policy,
    clock: options.clock ?? systemClock,
    ids: options.ids ?? systemIds,
    random: options.random ?? systemRandom,
  };
  const client: Record<string, unknown> = { isHealthy: () => link.transport.isHealthy(contract) };
  for (const [name, declared] of Object.entries(contract.procedures)) {
    client[name] = declared.stream ? streamMethod(link, name, declared) : unaryMethod(link, name, declared);
  }
  return client as Client<C>;
}

function unaryMethod(link: Link, name: string, declared: Procedure) {
  const fullName = `${link.contract.name}.${name}`;
  const send = (call: OutgoingCall) => link.transport.call(call);
  const method = async (input: Input, options: CallOptions = {}): Promise<unknown> => {
    parseInput(fullName, declared, input);
    const [call, scope] = openCall(link, name, declared, input, options, currentCall());
    try {
      const answer = await (link.policy === undefined ? send(call) : link.policy(call, send));
      return parseOutput(fullName, declared, answer);
    } catch (error) {
      throw toServiceError(error);
    } finally {
      scope.release();
    }
  };
  const attempt = async (input: Input, options?: CallOptions): Promise<Result<unknown, DeclaredError<Procedure>>> => {
    try {
      return { ok: true, value: await method(input, options) };
    } catch (error) {
      return { ok: false, error: toDeclaredError(fullName, declared, error) };
    }
  };
  return Object.assign(method, { try: attempt });
}

function streamMethod(link: Link, name: string, declared: Procedure) {
  return (input: Input, options: CallOptions = {}): AsyncIterable<unknown> =>
    // The surrounding call is the one that asks for the stream, not the one that happens to read it first.
    events(link, name, declared, input, options, currentCall());
}

async function* events(
  link: Link,
  name: string,
  declared: Procedure,
  input: Input,
  options: CallOptions,
  parent: Call | undefined,
): AsyncGenerator<unknown> {
  const fullName = `${link.contract.name}.${name}`;
  parseInput(fullName, declared, input);
  const [call, scope] = openCall(link, name, declared, input, options, parent);
  const asked = { ...call, opened: scope.endDeadline };
  const open = (outgoing: OutgoingCall) => openStream(link.transport, outgoing);
  let opened: OpenStream | undefined;
  try {
    opened = await (link.policy === undefined ? open(asked) : link.policy(asked, open));
    scope.endDeadline();
    for (let next = await opened.first; !next.done; next = await opened.events.next()) {
      yield parseOutput(fullName, declared, next.value);
    }
  } catch (error) {
    throw toServiceError(error);
  } finally {
    scope.release();
    await opened?.events.return?.();
  }
}

interface OpenStream {
  readonly events: AsyncIterator<unknown>;
  /** Asked for already: that is what opens it. */
  readonly first: Promise<IteratorResult<unknown>>;
}

/** Resolves once the answer has begun, or with its first event. */
async function openStream(transport: Transport, call: OutgoingCall): Promise<OpenStream> {
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  const opened = () => {
    call.opened?.();
    resolve();
  };
  const events = transport.stream({ ...call, opened })[Symbol.asyncIterator]();
  const first = events.next();
  await Promise.race([begun, first]);
  return { events, first };
}

function openCall(
  link: Link,
  name: string,
  declared: Procedure,
  input: Input,
  options: CallOptions,
  parent: Call | undefined,
): [OutgoingCall, CallScope] {
  const { clock, ids, random } = link;
  const nowMs = clock.monotonic();
  const ownDeadlineAtMs = nowMs + (options.deadlineMs ?? declared.deadlineMs);
  const deadlineAtMs = parent === undefined ? ownDeadlineAtMs : Math.min(ownDeadlineAtMs, parent.deadlineAtMs);
  const fullName = `${link.contract.name}.${name}`;
  if (deadlineAtMs <= nowMs) throw new ServiceError("EXPIRED", `The deadline had passed before ${fullName} was sent.`);
  const scope = openCallScope(clock, fullName, deadlineAtMs, [options.signal, parent?.signal]);
  const call: OutgoingCall = {
    contract: link.contract,
    name,
    procedure: declared,
    input,
    deadlineAtMs,
    correlationId: parent?.correlationId ?? ids.next("cor"),
    trace: parent === undefined ? newTrace(random) : childTrace(parent.trace, random),
    priority: options.priority ?? parent?.priority ?? "normal",
    idempotencyKey: options.idempotencyKey ?? ownKey(declared, parent, ids),
    inner: parent !== undefined,
    signal: scope.signal,
  };
  return [call, scope];
}

/** The first caller repeats what did not start: under one key, so that even a wrong "did not start" runs it once. */
function ownKey(declared: Procedure, parent: Call | undefined, ids: Ids): string | undefined {
  return declared.idempotent || declared.stream || parent !== undefined ? undefined : ids.next("key");
}

/** @throws the error itself when the procedure does not declare it */
function toDeclaredError(fullName: string, declared: Procedure, error: unknown): DeclaredError<Procedure> {
  const failure = toServiceError(error);
  const schema = Object.hasOwn(declared.errors, failure.code) ? declared.errors[failure.code] : undefined;
  if (schema === undefined) throw failure;
  const data = schema.safeParse(failure.data);
  if (!data.success) {
    const message = `${fullName} failed with ${failure.code}, whose data is against its contract: ${data.error.message}`;
    throw new ServiceError("BAD_OUTPUT", message, { cause: failure });
  }
  return { code: failure.code, message: failure.message, data: data.data };
}
