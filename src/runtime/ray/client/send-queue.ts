/** What waits to be sent: the messages of one request, and what to do as the first of them leaves. */
interface Waiting<T> {
  readonly messages: Iterator<T>;
  readonly onSend: () => void;
  started: boolean;
}

/** An outgoing stream that requests are pushed into. The messages of one request leave in a row. */
export interface SendQueue<T> extends AsyncIterable<T> {
  /** Queues a request; `onSend` runs when its first message is taken. Returns what takes it back while none has left. */
  push(messages: Iterable<T>, onSend: () => void): () => void;
  /** Ends the stream after what is queued. */
  end(): void;
}

export function createSendQueue<T>(): SendQueue<T> {
  let waiting: Waiting<T>[] = [];
  let ended = false;
  let wake = () => {};

  const take = (): T | undefined => {
    for (let head = waiting[0]; head !== undefined; head = waiting[0]) {
      if (!head.started) {
        head.started = true;
        head.onSend();
      }
      const next = head.messages.next();
      if (next.done !== true) return next.value;
      waiting.shift();
    }
    return undefined;
  };

  return {
    push(messages, onSend) {
      const entry = { messages: messages[Symbol.iterator](), onSend, started: false };
      waiting.push(entry);
      wake();
      return () => {
        // Half a request would spoil the next one: Ray puts chunks together in the order they come.
        if (!entry.started) waiting = waiting.filter((other) => other !== entry);
      };
    },
    end() {
      ended = true;
      wake();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const message = take();
        if (message !== undefined) yield message;
        else if (ended) return;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    },
  };
}
