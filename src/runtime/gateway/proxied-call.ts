import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { PassThrough, type Readable } from "node:stream";
import type { Dispatcher, Pool } from "undici";
import type { Clock } from "#core/clock.ts";
import type { Random } from "#core/random.ts";
import { fromProblem, ServiceError } from "#core/service-error.ts";
import { HEADERS } from "../call.ts";
import type { Balancer } from "../client/balancer.ts";
import type { ReplyHeaders } from "../client/exchange.ts";
import type { Pools } from "../client/pools.ts";
import { planRepeat } from "../client/repeat-plan.ts";
import type { Replica, TopologySource } from "../topology.ts";
import type { RequestBody } from "./request-body.ts";
import { ResponseRelay } from "./response-relay.ts";
import type { Routed, RouteMatch } from "../http/route-table.ts";

export interface ProxyParts {
  readonly balancer: Balancer;
  readonly pools: Pools;
  readonly topology: TopologySource;
  readonly clock: Clock;
  readonly random: Random;
}

export interface ProxiedRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly match: RouteMatch<Routed>;
  readonly deadlineAtMs: number;
  /** Whether the connection is to be closed after the answer. */
  readonly closes: () => boolean;
  /** Told once, however it ends; with what the caller must be told when no answer was passed on. */
  readonly ended: (error: ServiceError | undefined) => void;
}

/** What of a request's head goes on to the replica. */
const PASSED_ON = [
  "authorization",
  "content-type",
  "content-encoding",
  "accept",
  HEADERS.correlation,
  HEADERS.trace,
  HEADERS.priority,
  HEADERS.hop,
  HEADERS.idempotencyKey,
] as const;

const NOBODY: ReadonlySet<string> = new Set();

/** Beyond the deadline, so that the replica's own answer to it is the one passed on. */
const DEADLINE_GRACE_MS = 250;

/**
 * One request on its way to a replica and the answer on its way back, neither of them parsed. Repeats only what
 * certainly did not start: it is an inner hop, the caller's client does the rest.
 */
export class ProxiedCall implements Dispatcher.DispatchHandler {
  readonly #parts: ProxyParts;
  readonly #of: ProxiedRequest;
  readonly #relay: ResponseRelay;
  /** The value that picks the shard. */
  readonly #shardKey: string | undefined;
  #body: RequestBody = null;
  #headers: Record<string, string> = {};
  #replica: Replica | undefined;
  #pool: Pool | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #replyHeaders: ReplyHeaders = {};
  /** A refusal is read whole before it is either repeated or passed on. */
  #refusal: Buffer[] | undefined;
  #tried: Set<string> | undefined;
  #failed = 0;
  #over = false;
  #stopTimer: () => void;
  #stopWaiting: (() => void) | undefined;

  constructor(parts: ProxyParts, of: ProxiedRequest) {
    this.#parts = parts;
    this.#of = of;
    this.#relay = new ResponseRelay(of.response);
    const { to, parameters } = of.match;
    this.#shardKey = to.procedure.shardBy === undefined ? undefined : parameters[to.procedure.shardBy];
    const leftMs = of.deadlineAtMs - parts.clock.monotonic();
    this.#stopTimer = parts.clock.after(Math.max(0, leftMs) + DEADLINE_GRACE_MS, () => this.#expire());
    of.response.once("close", () => this.#left());
  }

  send(body: RequestBody): void {
    if (this.#over) return;
    this.#body = body;
    this.#headers = passedOn(this.#of.request.headers, body);
    this.#attempt();
  }

  /** Ends what would never end by itself, and what another gateway can do as well: streams, and calls without a replica yet. */
  drain(): void {
    if (this.#stopWaiting !== undefined || this.#of.match.to.procedure.stream) this.fail(draining());
  }

  /** Gives up; the caller is told `error` unless its answer has begun. */
  fail(error: ServiceError): void {
    if (this.#over) return;
    this.#finish(error);
    this.#controller?.abort(error);
  }

  #attempt(): void {
    const { balancer, pools, clock } = this.#parts;
    const { match, request, deadlineAtMs } = this.#of;
    const replica = balancer.pick(match.to.contract, this.#shardKey, this.#tried ?? NOBODY);
    if (replica === undefined) {
      if (this.#of.closes()) return this.#finish(draining());
      return this.#wait(deadlineAtMs - clock.monotonic());
    }
    this.#replica = replica;
    this.#controller = undefined;
    this.#refusal = undefined;
    this.#replyHeaders = {};
    balancer.begin(replica);
    const leftMs = deadlineAtMs - clock.monotonic();
    this.#headers[HEADERS.deadline] = String(Math.max(1, Math.ceil(leftMs)));
    this.#pool = pools.of(replica.address);
    try {
      this.#pool.dispatch(
        {
          method: request.method as Dispatcher.HttpMethod,
          path: request.url ?? "/",
          headers: this.#headers,
          body: toDispatched(this.#body),
        },
        this,
      );
    } catch (error) {
      this.onResponseError(undefined, error as Error);
    }
  }

  /** Until the topology changes or the time is over, whichever is first. */
  #wait(ms: number): void {
    const { clock, topology } = this.#parts;
    const go = () => {
      this.#stopWaiting?.();
      if (this.#over) return;
      const isLate = clock.monotonic() >= this.#of.deadlineAtMs;
      if (isLate) this.#finish(this.#nobody());
      else this.#attempt();
    };
    const cancel = clock.after(Math.max(0, ms), go);
    const unwatch = topology.watch(go);
    this.#stopWaiting = () => {
      this.#stopWaiting = undefined;
      cancel();
      unwatch();
    };
  }

  #nobody(): ServiceError {
    const { name } = this.#of.match.to.contract;
    return new ServiceError("UNAVAILABLE", `No replica of "${name}" is ready; waited until the deadline.`);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new Error("The caller has left."));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: ReplyHeaders): void {
    if (status < 200 || this.#over) return;
    this.#status = status;
    this.#replyHeaders = headers;
    if (status === 503) {
      this.#refusal = [];
      return;
    }
    // A stream that has begun has no deadline.
    if (this.#of.match.to.procedure.stream) this.#stopTimer();
    this.#relay.head(status, headers, this.#of.closes());
    if (this.#of.response.destroyed) controller.abort(new Error("The caller has left."));
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Buffer): void {
    if (this.#over) return;
    if (this.#refusal === undefined) this.#relay.piece(controller, piece);
    else this.#refusal.push(piece);
  }

  onResponseEnd(): void {
    this.#leaveReplica();
    if (this.#over) return;
    if (this.#refusal !== undefined) return this.#refused(Buffer.concat(this.#refusal));
    this.#relay.end();
    this.#finish(undefined);
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, cause: Error): void {
    this.#leaveReplica();
    if (this.#over) return;
    const where = this.#replica?.id ?? "the replica";
    if (this.#controller && this.#replica && this.#pool) this.#parts.pools.lost(this.#replica.address, this.#pool);
    const error =
      this.#controller === undefined
        ? new ServiceError("UNAVAILABLE", `${where} could not be reached: ${cause.message}`, { cause })
        : new ServiceError("CONNECTION_LOST", `The connection to ${where} was lost: ${cause.message}`, { cause });
    if (this.#of.response.headersSent || !this.#repeats(error)) this.#finish(error);
  }

  #refused(body: Buffer): void {
    let problem: unknown;
    try {
      problem = JSON.parse(body.toString());
    } catch {
      // Not a problem document: passed on as it is.
    }
    if (problem !== undefined && this.#repeats(fromProblem(problem, this.#status))) return;
    this.#relay.head(this.#status, this.#replyHeaders, this.#of.closes());
    this.#of.response.end(body);
    this.#finish(undefined);
  }

  /** Whether there is another attempt; it has been arranged then. */
  #repeats(error: ServiceError): boolean {
    const { balancer, clock, random } = this.#parts;
    const { match, deadlineAtMs } = this.#of;
    const { contract, procedure } = match.to;
    if (this.#body !== null && !Buffer.isBuffer(this.#body)) return false;
    this.#tried = (this.#tried ?? new Set<string>()).add(this.#replica?.id ?? "");
    this.#failed++;
    const hasFresh = balancer.hasFresh(contract, this.#shardKey, this.#tried);
    const history = { failed: this.#failed, repeatedLost: false, hasFresh };
    const waitMs = planRepeat(error, { procedure, inner: true, deadlineAtMs }, history, clock.monotonic(), random);
    if (waitMs === undefined) return false;
    this.#wait(waitMs);
    return true;
  }

  #leaveReplica(): void {
    const load = this.#replyHeaders[HEADERS.load];
    if (this.#replica) this.#parts.balancer.end(this.#replica, typeof load === "string" ? load : undefined);
  }

  #expire(): void {
    const { contract } = this.#of.match.to;
    if (this.#controller === undefined && this.#stopWaiting !== undefined) return this.fail(this.#nobody());
    const started = this.#controller === undefined ? "no" : "maybe";
    this.fail(new ServiceError("DEADLINE", `"${contract.name}" did not answer before the deadline.`, { started }));
  }

  /** The caller has closed its connection. */
  #left(): void {
    if (this.#over) return;
    const error = new ServiceError("CANCELLED", "The caller closed its connection.");
    this.#finish(error);
    this.#controller?.abort(error);
  }

  #finish(error: ServiceError | undefined): void {
    this.#over = true;
    // What the replica did not want of the body must not stand before the connection's next request.
    this.#of.request.unpipe();
    this.#of.request.resume();
    this.#stopTimer();
    this.#stopWaiting?.();
    this.#of.ended(error);
  }
}

function draining(): ServiceError {
  return new ServiceError("DRAINING", "This gateway is being stopped; a call that has not begun is for another.");
}

/** What undici may end without ending the caller's request, and with it the connection. */
function toDispatched(body: RequestBody): Buffer | Readable | null {
  if (body === null || Buffer.isBuffer(body)) return body;
  return body.pipe(new PassThrough());
}

function passedOn(received: IncomingHttpHeaders, body: RequestBody): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = received[name];
    if (typeof value === "string") headers[name] = value;
  }
  // With a stream of known length undici is told it; else it sends chunks.
  const length = received["content-length"];
  if (body !== null && length !== undefined) headers["content-length"] = length;
  return headers;
}
