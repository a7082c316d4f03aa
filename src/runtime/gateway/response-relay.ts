/** What a caller of the gateway gets: a replica's answer passed on piece by piece. */
import type { ServerResponse } from "node:http";
import type { Dispatcher } from "undici";
import type { ReplyHeaders } from "../client/exchange.ts";

/** Headers that belong to one connection, not to the answer. */
const OF_CONNECTION = ["connection", "keep-alive", "transfer-encoding"];

export class ResponseRelay {
  readonly #response: ServerResponse;
  #wholeLength = -1;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  head(status: number, received: ReplyHeaders, close: boolean): void {
    const headers = received as Record<string, string | string[]>;
    for (const name of OF_CONNECTION) delete headers[name];
    if (close) headers.connection = "close";
    this.#wholeLength = headers["content-length"] === undefined ? -1 : Number(headers["content-length"]);
    this.#response.writeHead(status, headers);
    // A reader of events waits for the head, however long the first event takes.
    if (this.#wholeLength === -1) this.#response.flushHeaders();
  }

  /** Holds the replica back while the caller does not read. */
  piece(controller: Dispatcher.DispatchController, piece: Buffer): void {
    // The usual small answer: head and body in one write.
    if (piece.length === this.#wholeLength) {
      this.#response.end(piece);
      return;
    }
    if (this.#response.write(piece)) return;
    controller.pause();
    this.#response.once("drain", () => controller.resume());
  }

  end(): void {
    if (!this.#response.writableEnded) this.#response.end();
  }
}
