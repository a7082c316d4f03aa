/** One HTTP request and its answer over a pool, knowing whether the request was ever written. */
import type { Dispatcher, Pool } from "undici";
import { isServiceError, ServiceError } from "#core/service-error.ts";
import type { Cancellation } from "./cancellation.ts";

/** What goes out, whoever made it. */
export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string | Uint8Array | null;
}

export type ReplyHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface Reply {
  readonly status: number;
  readonly headers: ReplyHeaders;
  readonly body: Buffer;
}

/** @throws ServiceError UNAVAILABLE (not written), CONNECTION_LOST, or the signal's reason */
export function exchange(pool: Pool, request: HttpRequest, signal: Cancellation): Promise<Reply> {
  return new Promise((resolve, reject) => {
    dispatch(pool, request, new WholeReply(signal, resolve, reject), reject);
  });
}

export interface StreamedReply {
  readonly status: number;
  readonly headers: ReplyHeaders;
  /** Pieces as they come; nobody reading stops the sender, and leaving the loop ends the exchange. */
  readonly body: AsyncGenerator<Buffer, void>;
}

/** Resolves once the answer's head is here. @throws as {@link exchange}; the body's iteration throws likewise. */
export function exchangeStream(pool: Pool, request: HttpRequest, signal: Cancellation): Promise<StreamedReply> {
  return new Promise((resolve, reject) => {
    dispatch(pool, request, new PiecewiseReply(signal, resolve, reject), reject);
  });
}

function dispatch(pool: Pool, request: HttpRequest, handler: ReplyHandler, reject: (error: unknown) => void): void {
  try {
    pool.dispatch(request as Dispatcher.DispatchOptions, handler);
  } catch (error) {
    handler.release();
    reject(error);
  }
}

abstract class ReplyHandler implements Dispatcher.DispatchHandler {
  readonly #signal: Cancellation;
  readonly #onAbort: () => void;
  protected controller: Dispatcher.DispatchController | undefined;
  protected status = 0;
  protected headers: ReplyHeaders = {};

  constructor(signal: Cancellation) {
    this.#signal = signal;
    this.#onAbort = () => {
      this.controller?.abort(signal.reason as Error);
      // Not yet written: undici would tell only when the request's turn comes.
      if (this.controller === undefined) this.fail(this.toError(signal.reason));
    };
    signal.addEventListener("abort", this.#onAbort);
  }

  protected abstract fail(error: ServiceError): void;

  /** Runs right before the request is written. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.#signal.aborted) controller.abort(this.#signal.reason as Error);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: ReplyHeaders): void {
    this.status = status;
    this.headers = headers;
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.release();
    this.fail(this.toError(error));
  }

  release(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
  }

  protected toError(cause: unknown): ServiceError {
    const written = this.controller !== undefined;
    if (this.#signal.aborted) {
      const reason = isServiceError(this.#signal.reason)
        ? this.#signal.reason
        : new ServiceError("CANCELLED", "The call was cancelled.", { cause });
      return written ? reason : new ServiceError(reason.code, reason.message, { cause: reason, started: "no" });
    }
    const why = cause instanceof Error ? cause.message : String(cause);
    return written
      ? new ServiceError("CONNECTION_LOST", `The connection was lost before the answer was complete: ${why}`, { cause })
      : new ServiceError("UNAVAILABLE", `The request could not be sent: ${why}`, { cause });
  }
}

class WholeReply extends ReplyHandler {
  readonly #resolve: (reply: Reply) => void;
  readonly #reject: (error: ServiceError) => void;
  readonly #pieces: Buffer[] = [];

  constructor(signal: Cancellation, resolve: (reply: Reply) => void, reject: (error: ServiceError) => void) {
    super(signal);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onResponseData(_controller: Dispatcher.DispatchController, piece: Buffer): void {
    this.#pieces.push(piece);
  }

  onResponseEnd(): void {
    this.release();
    const [first] = this.#pieces;
    const body = first !== undefined && this.#pieces.length === 1 ? first : Buffer.concat(this.#pieces);
    this.#resolve({ status: this.status, headers: this.headers, body });
  }

  protected override fail(error: ServiceError): void {
    this.release();
    this.#reject(error);
  }
}

/** Pieces that wait for their reader before the sender is held back. */
const MAX_WAITING_PIECES = 16;

class PiecewiseReply extends ReplyHandler {
  readonly #resolve: (reply: StreamedReply) => void;
  readonly #reject: (error: ServiceError) => void;
  readonly #waiting: Buffer[] = [];
  #error: ServiceError | undefined;
  #ended = false;
  #wake = () => {};

  constructor(signal: Cancellation, resolve: (reply: StreamedReply) => void, reject: (error: ServiceError) => void) {
    super(signal);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  override onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: ReplyHeaders): void {
    // Informational answers come before the real one.
    if (status < 200) return;
    super.onResponseStart(controller, status, headers);
    this.#resolve({ status, headers, body: this.#read() });
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Buffer): void {
    this.#waiting.push(piece);
    if (this.#waiting.length >= MAX_WAITING_PIECES) controller.pause();
    this.#wake();
  }

  onResponseEnd(): void {
    this.release();
    this.#ended = true;
    this.#wake();
  }

  protected override fail(error: ServiceError): void {
    this.release();
    this.#error = error;
    this.#ended = true;
    // Before the head has come this is the answer; afterwards rejecting a settled promise does nothing.
    this.#reject(error);
    this.#wake();
  }

  async *#read(): AsyncGenerator<Buffer, void> {
    try {
      while (true) {
        const piece = this.#waiting.shift();
        if (piece !== undefined) {
          yield piece;
          continue;
        }
        if (this.#error !== undefined) throw this.#error;
        if (this.#ended) return;
        if (this.controller?.paused) this.controller.resume();
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        // Resuming may have brought something already.
        if (this.#waiting.length > 0 || this.#ended) continue;
        await promise;
      }
    } finally {
      this.release();
      if (!this.#ended) this.controller?.abort(new Error("The reader has left."));
    }
  }
}
