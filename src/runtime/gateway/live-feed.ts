/** What somebody looks at, kept fresh over one connection: answers as they change, and the events of streams. */
import type { ServerResponse } from "node:http";
import { type Clock, every, sleep } from "#core/clock.ts";
import { type Problem, ServiceError, toProblem, toServiceError } from "#core/service-error.ts";
import { HEADERS } from "../call.ts";
import { toAnswer, toEvents, toFailure } from "../client/answer.ts";
import type { Balancer } from "../client/balancer.ts";
import { CancellationBranch } from "../client/cancellation.ts";
import { exchange, exchangeStream, type ReplyHeaders } from "../client/exchange.ts";
import type { Pools } from "../client/pools.ts";
import { drained } from "../http/drained.ts";
import type { Routed, RouteMatch } from "../http/route-table.ts";

export interface LiveParts {
  readonly balancer: Balancer;
  readonly pools: Pools;
  readonly clock: Clock;
  readonly maxDeadlineMs: number;
}

/** An address that is followed, and what it means. */
export interface Followed {
  readonly path: string;
  readonly match: RouteMatch<Routed>;
}

export interface Reader {
  readonly response: ServerResponse;
  /** Of the calls, asked for before each. @throws once the reader may no longer look */
  readonly authorization: () => Promise<string>;
  readonly correlationId: string;
}

type Said = { readonly value: unknown } | { readonly began: true } | { readonly problem: Problem };

/** An answer is asked for again after this, or after the time in which its asking is one part of twenty. */
const PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const PARTS = 20;
/** What a service that is being replaced or started again refuses is no trouble before. */
const PATIENCE_MS = 2_000;
const HEARTBEAT_MS = 15_000;
const CHECK_MS = 1_000;
const NOBODY: ReadonlySet<string> = new Set();

/**
 * One reader's. Each event is `{ of, … }`, where `of` counts what is followed, from 0: with `value`, an answer that differs
 * from the one before or an event of a stream; with `began`, that a stream begins, now or again, so that what was before is
 * to be asked for; with `problem`, why there is nothing new. What fails is tried again for as long as the reader is there.
 */
export class LiveFeed {
  readonly #parts: LiveParts;
  readonly #reader: Reader;
  readonly #over = new AbortController();
  #writtenAtMs = 0;
  /** All that is to be said waits for the same. */
  #room: Promise<void> | undefined;

  constructor(parts: LiveParts, reader: Reader) {
    this.#parts = parts;
    this.#reader = reader;
    reader.response.once("close", () => this.end());
  }

  /** Resolves when the reader has left or may no longer look, or it was ended. */
  async run(followed: readonly Followed[]): Promise<void> {
    const { response, correlationId } = this.#reader;
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      // Who asks again after the gateway has left reaches its successor.
      connection: "close",
      [HEADERS.correlation]: correlationId,
    });
    this.#beat();
    const stop = every(this.#parts.clock, CHECK_MS, async () => {
      // One that left before this began, or behind another answer, is not told of by the response.
      if (response.req.socket.destroyed) this.end();
      await this.#authorization().catch(() => {});
      if (this.#parts.clock.monotonic() - this.#writtenAtMs >= HEARTBEAT_MS) this.#beat();
    });
    await Promise.all(followed.map((one, of) => this.#follow(of, one)));
    stop();
    response.end();
  }

  end(): void {
    this.#over.abort();
  }

  /** Without a failure that is passed on: whatever it is, the reader is told and it is tried again. */
  async #follow(of: number, { path, match }: Followed): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#over;
    const { stream } = match.to.procedure;
    let told: string | undefined;
    let failingSinceMs: number | undefined;
    let beganAtMs: number | undefined;
    const say = async (what: Said) => {
      if ("value" in what) failingSinceMs = undefined;
      if ("began" in what) beganAtMs = clock.monotonic();
      const text = JSON.stringify({ of, ...what });
      // Events may be alike.
      if (text === told && (!stream || "problem" in what)) return;
      told = text;
      await this.#write(`data: ${text}\n\n`);
    };
    while (!signal.aborted) {
      const askedAtMs = clock.monotonic();
      beganAtMs = undefined;
      let pauseMs = PAUSE_MS;
      try {
        if (stream) await this.#events(path, match, say);
        else {
          const value = await this.#answer(path, match);
          pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(PAUSE_MS, (clock.monotonic() - askedAtMs) * (PARTS - 1)));
          await say({ value });
        }
      } catch (thrown) {
        const error = toServiceError(thrown);
        const nowMs = clock.monotonic();
        const hasHeld = beganAtMs !== undefined && nowMs - beganAtMs >= PATIENCE_MS;
        failingSinceMs = hasHeld ? nowMs : (failingSinceMs ?? askedAtMs);
        const isLasting = error.status < 500 || nowMs - failingSinceMs >= PATIENCE_MS;
        if (isLasting && !signal.aborted) await say({ problem: toProblem(error, this.#reader.correlationId) });
      }
      await sleep(clock, pauseMs, signal).catch(() => {});
    }
  }

  async #answer(path: string, match: RouteMatch<Routed>): Promise<unknown> {
    return this.#asking(path, match, "application/json", async ({ pool, request, limit, heard }) => {
      const reply = await exchange(pool, request, limit);
      heard(reply.headers);
      return toAnswer(reply);
    });
  }

  /** Until the stream ends or breaks. */
  async #events(path: string, match: RouteMatch<Routed>, say: (what: Said) => Promise<void>): Promise<void> {
    await this.#asking(path, match, "text/event-stream", async ({ pool, request, limit, heard, unlimited }) => {
      const reply = await exchangeStream(pool, request, limit);
      heard(reply.headers);
      if (reply.status !== 200) throw await toFailure(reply);
      unlimited();
      await say({ began: true });
      for await (const value of toEvents(reply.body)) await say({ value });
    });
  }

  /** Asks one replica, within the procedure's deadline; another one is asked by who asks again. */
  async #asking<T>(path: string, { to, parameters }: RouteMatch<Routed>, accept: string, ask: Ask<T>): Promise<T> {
    const { balancer, pools, clock, maxDeadlineMs } = this.#parts;
    const { contract, procedure } = to;
    const shardKey = procedure.shardBy === undefined ? undefined : parameters[procedure.shardBy];
    const authorization = await this.#authorization();
    const replica = balancer.pick(contract, shardKey, NOBODY);
    if (replica === undefined) throw new ServiceError("UNAVAILABLE", `No replica of "${contract.name}" is ready.`);
    const deadlineMs = Math.min(procedure.deadlineMs, maxDeadlineMs);
    const headers = {
      authorization,
      accept,
      [HEADERS.correlation]: this.#reader.correlationId,
      [HEADERS.deadline]: String(deadlineMs),
    };
    const limit = new CancellationBranch(this.#over.signal);
    const unlimited = clock.after(deadlineMs, () =>
      limit.abort(new ServiceError("DEADLINE", `"${contract.name}" did not answer before the deadline.`)),
    );
    const pool = pools.of(replica.address);
    let load: string | undefined;
    const heard = ({ [HEADERS.load]: told }: ReplyHeaders) => void (load = typeof told === "string" ? told : undefined);
    balancer.begin(replica);
    try {
      return await ask({ pool, request: { method: "GET", path, headers, body: null }, limit, heard, unlimited });
    } catch (error) {
      if (error instanceof ServiceError && error.code === "CONNECTION_LOST") pools.lost(replica.address, pool);
      throw error;
    } finally {
      balancer.end(replica, load);
      unlimited();
      limit.release();
    }
  }

  /** Ends the feed when there is none any more. */
  async #authorization(): Promise<string> {
    try {
      return await this.#reader.authorization();
    } catch (error) {
      this.end();
      throw error;
    }
  }

  #beat(): void {
    void this.#write(":\n\n");
  }

  async #write(text: string): Promise<void> {
    const { response } = this.#reader;
    const { signal } = this.#over;
    if (response.destroyed || signal.aborted) return;
    this.#writtenAtMs = this.#parts.clock.monotonic();
    if (response.write(text)) return;
    this.#room ??= drained(response, signal).finally(() => (this.#room = undefined));
    await this.#room;
  }
}

type Ask<T> = (one: {
  readonly pool: Parameters<typeof exchange>[0];
  readonly request: Parameters<typeof exchange>[1];
  readonly limit: CancellationBranch;
  /** Takes what the replica says of its load. */
  readonly heard: (headers: ReplyHeaders) => void;
  /** Lifts the deadline: a stream that has begun has none. */
  readonly unlimited: () => void;
}) => Promise<T>;
