export interface ServerSentEvent {
  /** `message` unless the server named it. */
  readonly type: string;
  readonly data: string;
}

/**
 * Server-sent events from bytes that arrive in pieces cut anywhere, even within a character or a line ending. Comments,
 * ids and retry hints are passed over; an event that the end of the stream cuts off is none, as the standard says.
 */
export class SseParser {
  readonly #decoder = new TextDecoder();
  #rest = "";
  #type = "";
  #data: string | undefined;

  /** The events that are complete with this piece. */
  push(piece: Uint8Array): ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    this.#rest += this.#decoder.decode(piece, { stream: true });
    let start = 0;
    for (let end = this.#lineEnd(start); end !== -1; end = this.#lineEnd(start)) {
      const line = this.#rest.slice(start, end);
      start = end + (this.#rest.startsWith("\r\n", end) ? 2 : 1);
      const event = this.#line(line);
      if (event !== undefined) events.push(event);
    }
    this.#rest = this.#rest.slice(start);
    return events;
  }

  /** Where the line ends; -1 while that cannot be told: a final "\r" may be half of "\r\n". */
  #lineEnd(from: number): number {
    for (let i = from; i < this.#rest.length; i++) {
      const code = this.#rest.charCodeAt(i);
      if (code === 10) return i;
      if (code === 13) return i + 1 < this.#rest.length ? i : -1;
    }
    return -1;
  }

  #line(line: string): ServerSentEvent | undefined {
    if (line === "") {
      const data = this.#data;
      const type = this.#type === "" ? "message" : this.#type;
      this.#type = "";
      this.#data = undefined;
      return data === undefined ? undefined : { type, data };
    }
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
    if (field === "event") this.#type = value;
    return undefined;
  }
}
