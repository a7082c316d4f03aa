/** Runs calls against the services of this process, whichever way they came: the one place that keeps the contract. */
import { createHash } from "node:crypto";
import { canonicalJson } from "#core/canonical-json.ts";
import type { Clock } from "#core/clock.ts";
import { isServiceError, ServiceError, toServiceError } from "#core/service-error.ts";
import { shardOf } from "#core/shard.ts";
import { isProcessSubject, requireScope } from "../auth/scopes.ts";
import { type Caller, currentCall, runInCall } from "../call.ts";
import type { OutgoingCall } from "../client/transport.ts";
import type { Service } from "../service.ts";
import type { CallMetrics } from "../telemetry/metrics.ts";
import type { Logger } from "../telemetry/logger.ts";
import { parseInput, parseOutput } from "../validation.ts";
import { Admission, type AdmissionLimits } from "./admission.ts";
import { CallContext } from "./call-context.ts";
import { Deadlines } from "./deadlines.ts";
import { fromHandler, isDefect } from "./handler-errors.ts";
import type { IdempotencyStore } from "./idempotency.ts";
import type { Incoming } from "./incoming.ts";
import { LoadCounters, type LoadReport } from "./load.ts";
import { createPlans, type Plan, type StreamHandler, type UnaryHandler } from "./plan.ts";

/** Which shards this replica may work for. */
export interface ShardOwnership {
  /** The epoch of a shard this replica owns; undefined for one it does not. */
  epochOf(service: string, shard: number): number | undefined;
  /** Why shards of the service could not be taken over at the last try. */
  failure(service: string): string | undefined;
  /** The store refused a write under this epoch: somebody else has claimed the shard since. */
  refused(service: string, shard: number, epoch: number): void;
}

export interface DispatcherDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: CallMetrics;
  readonly ownership: ShardOwnership;
  /** Keys of a service's calls; undefined for a service that keeps nothing. */
  readonly idempotency: (service: Service) => IdempotencyStore | undefined;
  /** Who calls that stay in this process come from. */
  readonly self: Caller;
  /** Calls that the services make, counted elsewhere. */
  readonly outbound?: LoadReport["outbound"];
}

export interface DispatcherLimits extends AdmissionLimits {
  readonly maxDeadlineMs: number;
}

/** For handlers to see their signal. */
export const ABORT_GRACE_MS = 200;

export class Dispatcher {
  readonly plans: readonly Plan[];
  readonly #deps: DispatcherDeps;
  readonly #limits: DispatcherLimits;
  readonly #admission: Admission;
  readonly #load: LoadCounters;
  readonly #byName = new Map<string, Plan>();
  readonly #idempotency = new Map<Service, IdempotencyStore | undefined>();
  /** Services that may not be called yet, with why. */
  readonly #notReady = new Map<string, string>();
  readonly #running = new Set<CallContext>();
  readonly #streams = new Set<CallContext>();
  readonly #deadlines: Deadlines;
  #draining = false;
  #onIdle: (() => void) | undefined;
  #stopWaiting: (() => void) | undefined;

  constructor(services: readonly Service[], limits: DispatcherLimits, deps: DispatcherDeps) {
    this.#deps = deps;
    this.#limits = limits;
    this.#deadlines = new Deadlines(deps.clock, this.#running);
    this.#admission = new Admission(deps.clock, limits);
    this.#load = new LoadCounters(services.map((service) => service.contract.name));
    this.plans = services.flatMap(createPlans);
    for (const plan of this.plans) this.#byName.set(plan.name, plan);
    for (const service of services) this.#idempotency.set(service, deps.idempotency(service));
  }

  serves(service: string): boolean {
    return Object.hasOwn(this.#load.services, service);
  }

  /** Calls in this process, waiting ones included: what balancers are told. */
  get inFlight(): number {
    return this.#running.size + this.#admission.waiting;
  }

  get limit(): number {
    return this.#limits.maxConcurrency;
  }

  get queued(): number {
    return this.#admission.waiting;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  get draining(): boolean {
    return this.#draining;
  }

  load(): LoadReport {
    return {
      inFlight: this.#running.size,
      limit: this.limit,
      queued: this.queued,
      services: this.#load.services,
      outbound: this.#deps.outbound ?? {},
      residentBytes: process.memoryUsage.rss(),
    };
  }

  /** Refuses calls of `service` as NOT_READY for `reason`; undefined lets them in. */
  setNotReady(service: string, reason: string | undefined): void {
    if (reason === undefined) this.#notReady.delete(service);
    else this.#notReady.set(service, reason);
  }

  /** Why a service is not ready, if it is not. */
  notReady(service: string): string | undefined {
    return this.#notReady.get(service);
  }

  /** When a call has to be answered that may take `remainingMs`, or what its contract says. */
  deadlineAt(plan: Plan, remainingMs: number | undefined): number {
    const allowedMs = Math.min(remainingMs ?? plan.procedure.deadlineMs, this.#limits.maxDeadlineMs);
    return this.#deps.clock.monotonic() + allowedMs;
  }

  /**
   * Runs one unary call. `onContext` gets what aborts it.
   * @throws ServiceError only; at the deadline at the latest, whatever the handler does.
   */
  async call(plan: Plan, incoming: Incoming, onContext?: (context: CallContext) => void): Promise<unknown> {
    const arrivedAtMs = this.#deps.clock.monotonic();
    let failure: ServiceError | undefined;
    const context = new CallContext(plan, incoming, incoming.deadlineAtMs, this.#deps.clock);
    try {
      onContext?.(context);
      const input = this.#check(plan, incoming, context);
      // Most calls find a place free: they are not made to wait for a promise.
      if (!incoming.nested && !this.#admission.tryEnter()) await this.#waitForPlace(plan, incoming, context, input);
      this.#running.add(context);
      return await this.#race(plan, incoming, context, input);
    } catch (error) {
      failure = toServiceError(error);
      throw failure;
    } finally {
      this.#ended(plan, incoming, arrivedAtMs + context.stoodByMs, failure, context.waitedMs);
      this.#checkIdle();
    }
  }

  /**
   * Opens one streaming call: resolves when it may begin. The stream ends with a ServiceError when it is aborted or the
   * handler fails; its deadline counts until it is open, not after.
   */
  async open(
    plan: Plan,
    incoming: Incoming,
    onContext?: (context: CallContext) => void,
  ): Promise<AsyncIterableIterator<unknown>> {
    const context = new CallContext(plan, incoming, Number.POSITIVE_INFINITY, this.#deps.clock);
    onContext?.(context);
    try {
      const input = this.#check(plan, incoming, context);
      this.#own(plan, context, input);
      if (this.#streams.size >= this.#limits.maxConcurrency) {
        throw new ServiceError("OVERLOADED", `All ${this.#limits.maxConcurrency} streams of this replica are taken.`, {
          retryAfterMs: 1_000,
        });
      }
      this.#streams.add(context);
      return this.#events(plan, incoming, context, input);
    } catch (error) {
      const failure = toServiceError(error);
      this.#ended(plan, incoming, this.#deps.clock.monotonic(), failure);
      throw failure;
    }
  }

  /** Whether this process can answer a call of its own services now: it serves it, is ready, and owns its shard. */
  takes(call: OutgoingCall): boolean {
    const plan = this.#byName.get(`${call.contract.name}.${call.name}`);
    if (plan === undefined || this.#notReady.has(plan.contract.name)) return false;
    if (this.#draining && !this.#isNested()) return false;
    const shard = shardFor(plan, call.input);
    return shard === undefined || this.#deps.ownership.epochOf(plan.contract.name, shard) !== undefined;
  }

  /** Runs a call that one of this process's own services makes to another of them. */
  dispatch(call: OutgoingCall): Promise<unknown> {
    return this.call(this.#planOf(call), this.#incomingOf(call), (context) => abortWith(context, call.signal));
  }

  async *dispatchStream(call: OutgoingCall): AsyncIterableIterator<unknown> {
    const events = await this.open(this.#planOf(call), this.#incomingOf(call), (context) => {
      abortWith(context, call.signal);
    });
    call.opened?.();
    yield* events;
  }

  /**
   * From now on nothing new is taken; streams end, and so do reads that only stand by. Resolves when what was in flight has
   * ended, a handler that goes on after its call was answered a moment later.
   */
  drain(): Promise<void> {
    this.#draining = true;
    for (const context of this.#streams) context.abort(draining());
    for (const context of this.#running) context.endStandBy(draining());
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      this.#checkIdle();
    });
  }

  /** Ends what is still in flight: callers are answered at once, handlers see their signal. */
  abortAll(reason: ServiceError): void {
    this.#admission.refuseAll(draining());
    for (const context of [...this.#running, ...this.#streams]) context.abort(reason);
  }

  #check(plan: Plan, incoming: Incoming, context: CallContext): Record<string, unknown> {
    requireScope(incoming.caller, plan.procedure.scope);
    if (this.#draining && !incoming.nested) throw draining();
    const notReady = this.#notReady.get(plan.contract.name);
    if (notReady !== undefined) {
      throw new ServiceError("NOT_READY", `${plan.contract.name} is not ready: ${notReady}.`, { retryAfterMs: 250 });
    }
    if (incoming.deadlineAtMs <= this.#deps.clock.monotonic()) {
      throw new ServiceError("EXPIRED", `The deadline of ${plan.name} had passed when the call arrived.`);
    }
    const isOwn = isProcessSubject(incoming.caller.subject);
    const declared = isOwn ? { input: plan.tolerantInput } : plan.procedure;
    const input = parseInput(plan.name, declared, incoming.input);
    this.#own(plan, context, input);
    return input;
  }

  /** @throws ServiceError NOT_OWNER unless this replica owns the shard the call is for. */
  #own(plan: Plan, context: CallContext, input: Record<string, unknown>): void {
    const shard = shardFor(plan, input);
    if (shard === undefined) return;
    const service = plan.contract.name;
    const epoch = this.#deps.ownership.epochOf(service, shard);
    if (epoch === undefined) {
      const why = this.#deps.ownership.failure(service);
      const what =
        why === undefined
          ? `This replica does not own shard ${shard} of ${service}.`
          : `This replica cannot take over shard ${shard} of ${service}: ${why}`;
      throw new ServiceError("NOT_OWNER", what, { retryAfterMs: 50 });
    }
    context.shard = shard;
    context.epoch = epoch;
  }

  async #waitForPlace(plan: Plan, incoming: Incoming, context: CallContext, input: Record<string, unknown>) {
    await this.#admission.enter(incoming.priority, incoming.deadlineAtMs, (leave) => {
      context.onAbort = leave;
      if (context.abortReason !== undefined) leave(context.abortReason);
    });
    context.onAbort = undefined;
    try {
      // Shards may have moved while it waited.
      this.#own(plan, context, input);
    } catch (error) {
      this.#admission.leave(0);
      throw error;
    }
  }

  /** Whichever comes first: the work's outcome, the deadline, or an abort. The place is held until the work has ended. */
  #race(plan: Plan, incoming: Incoming, context: CallContext, input: Record<string, unknown>): Promise<unknown> {
    const { clock } = this.#deps;
    const startedAtMs = clock.monotonic();
    return new Promise((resolve, reject) => {
      if (context.abortReason === undefined) context.onAbort = reject;
      else reject(context.abortReason);
      this.#deadlines.keep(incoming.deadlineAtMs);
      const release = () => {
        this.#running.delete(context);
        if (!incoming.nested) this.#admission.leave(clock.monotonic() - startedAtMs);
        this.#checkIdle();
      };
      runInCall(context, () => this.#work(plan, incoming, context, input)).then(
        (output) => {
          release();
          resolve(output);
        },
        (error: unknown) => {
          release();
          reject(error);
        },
      );
    });
  }

  #work(plan: Plan, incoming: Incoming, context: CallContext, input: Record<string, unknown>): Promise<unknown> {
    const key = plan.procedure.idempotent ? undefined : incoming.idempotencyKey;
    const keys = key === undefined ? undefined : this.#idempotency.get(plan.service);
    if (key === undefined || keys === undefined) return this.#handle(plan, context, input);
    return this.#workOnce(plan, context, input, keys, key);
  }

  /** Under its key: a repeat gets the answer of the first. */
  async #workOnce(
    plan: Plan,
    context: CallContext,
    input: Record<string, unknown>,
    keys: IdempotencyStore,
    key: string,
  ): Promise<unknown> {
    const bodyHash = createHash("sha256").update(canonicalJson(input)).digest("base64url");
    const reserved = await keys.reserve({ caller: context.caller.subject, procedure: plan.name, key }, bodyHash);
    if (reserved.state === "done") return reserved.answer;
    const { run } = reserved;
    context.storeAnswer = (answer) => run.storeAnswer(answer);
    let output: unknown;
    try {
      output = await this.#handle(plan, context, input);
    } catch (error) {
      await run.fail(toServiceError(error));
      throw error;
    }
    await run.complete(output);
    return output;
  }

  async #handle(plan: Plan, context: CallContext, input: Record<string, unknown>): Promise<unknown> {
    let output: unknown;
    try {
      output = await (plan.handler as UnaryHandler)(input, context);
    } catch (error) {
      throw this.#translated(plan, context, error);
    }
    try {
      return parseOutput(plan.name, plan.procedure, output);
    } catch (error) {
      throw this.#translated(plan, context, error);
    }
  }

  #translated(plan: Plan, context: CallContext, thrown: unknown): ServiceError {
    if (context.abortReason !== undefined && isEcho(thrown)) return context.abortReason;
    const error = fromHandler(plan, thrown);
    if (isDefect(error)) this.#deps.log.error({ error, procedure: plan.name }, "a call failed unexpectedly");
    if (error.code === "NOT_OWNER" && context.epoch > 0) {
      this.#deps.ownership.refused(plan.contract.name, context.shard, context.epoch);
    }
    return error;
  }

  async *#events(
    plan: Plan,
    incoming: Incoming,
    context: CallContext,
    input: Record<string, unknown>,
  ): AsyncIterableIterator<unknown> {
    const openedAtMs = this.#deps.clock.monotonic();
    let failure: ServiceError | undefined;
    let events: AsyncIterator<unknown> | undefined;
    try {
      const stream = plan.handler as StreamHandler;
      events = runInCall(context, () => stream(input, context)[Symbol.asyncIterator]());
      while (true) {
        const next = await nextEvent(context, events);
        if (next.done) return;
        yield parseOutput(plan.name, plan.procedure, next.value);
      }
    } catch (error) {
      failure = this.#translated(plan, context, error);
      throw failure;
    } finally {
      this.#streams.delete(context);
      context.abort(new ServiceError("CANCELLED", "The stream has ended."));
      // Not awaited: a handler that ignores its signal must not hold the answer.
      events?.return?.().catch(() => {});
      this.#ended(plan, incoming, openedAtMs, failure);
      this.#checkIdle();
    }
  }

  #ended(plan: Plan, incoming: Incoming, sinceMs: number, failure: ServiceError | undefined, waitedMs = 0): void {
    const tookMs = this.#deps.clock.monotonic() - sinceMs;
    const service = plan.contract.name;
    this.#deps.metrics.ended(service, plan.procedureName, failure?.code ?? "OK", tookMs / 1_000);
    // How long a stream was open says nothing about the service's latency.
    if (!plan.procedure.stream) {
      this.#load.count(service, incoming.caller.subject, failure?.status ?? 200, tookMs, waitedMs);
    }
  }

  #checkIdle(): void {
    if (!this.#draining || this.#admission.waiting > 0 || this.#streams.size > 0) return;
    if (this.#running.size > 0) {
      const isAnswered = [...this.#running].every(({ abortReason }) => abortReason !== undefined);
      if (isAnswered) this.#stopWaiting ??= this.#deps.clock.after(ABORT_GRACE_MS, () => this.#onIdle?.());
      return;
    }
    this.#stopWaiting?.();
    this.#deadlines.close();
    this.#onIdle?.();
  }

  #planOf(call: OutgoingCall): Plan {
    const plan = this.#byName.get(`${call.contract.name}.${call.name}`);
    if (plan === undefined) {
      throw new ServiceError("NOT_FOUND", `This process does not serve ${call.contract.name}.${call.name}.`);
    }
    return plan;
  }

  #incomingOf(call: OutgoingCall): Incoming {
    return {
      input: call.input,
      caller: this.#deps.self,
      deadlineAtMs: Math.min(call.deadlineAtMs, this.#deps.clock.monotonic() + this.#limits.maxDeadlineMs),
      correlationId: call.correlationId,
      trace: call.trace,
      priority: call.priority,
      idempotencyKey: call.idempotencyKey,
      nested: this.#isNested(),
    };
  }

  /** Whether the code that runs now works for a call that has a place here. */
  #isNested(): boolean {
    const call = currentCall();
    return call instanceof CallContext && this.#running.has(call);
  }
}

function draining(): ServiceError {
  return new ServiceError("DRAINING", "This replica is being stopped and takes no new calls.");
}

/** The shard a call is for; undefined where any replica may answer. */
function shardFor({ contract, procedure }: Plan, input: Readonly<Record<string, unknown>>): number | undefined {
  if (contract.state === "single") return 0;
  return procedure.shardBy === undefined ? undefined : shardOf(String(input[procedure.shardBy]));
}

/** Whether what an aborted handler threw only says that it was aborted. */
function isEcho(thrown: unknown): boolean {
  return (isServiceError(thrown) && !isDefect(thrown)) || (thrown instanceof Error && thrown.name === "AbortError");
}

/** The next event, or the reason of an abort as soon as there is one, whether or not the handler looks at its signal. */
function nextEvent(context: CallContext, events: AsyncIterator<unknown>): Promise<IteratorResult<unknown>> {
  if (context.abortReason !== undefined) return Promise.reject(context.abortReason);
  return new Promise((resolve, reject) => {
    context.onAbort = reject;
    runInCall(context, () => events.next()).then(resolve, reject);
  });
}

function abortWith(context: CallContext, signal: AbortSignal): void {
  const abort = () => context.abort(toServiceError(signal.reason));
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
}
