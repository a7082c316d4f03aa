/** Chunks of text cut into lines, in bounded memory. */

export interface LineHandler {
  /** `line` has no line ending; `number` counts from 1. */
  onLine(line: string, number: number): void;
  /** A line over `maxLineLength`; `start` is its beginning. The rest of it is skipped. */
  onLongLine(start: string, number: number): void;
}

export interface LineSplitter {
  push(chunk: string): void;
  /** Gives the last line when nothing ended it. */
  end(): void;
}

/** Lines end with LF or CRLF. A line longer than this many characters is refused, so that a file without line ends cannot fill the memory. */
export const MAX_LINE_LENGTH = 1_048_576;

export function createLineSplitter(handler: LineHandler, maxLineLength: number = MAX_LINE_LENGTH): LineSplitter {
  let rest = "";
  let number = 0;
  let isSkipping = false;

  const take = (line: string) => {
    number++;
    if (line.length > maxLineLength) handler.onLongLine(line, number);
    else handler.onLine(line.endsWith("\r") ? line.slice(0, -1) : line, number);
  };

  return {
    push(chunk) {
      let start = 0;
      let end = chunk.indexOf("\n");
      if (end >= 0 && isSkipping) {
        isSkipping = false;
        start = end + 1;
        end = chunk.indexOf("\n", start);
      }
      for (; end >= 0; end = chunk.indexOf("\n", start)) {
        take(rest + chunk.slice(start, end));
        rest = "";
        start = end + 1;
      }
      if (isSkipping) return;
      rest += chunk.slice(start);
      if (rest.length > maxLineLength) {
        number++;
        handler.onLongLine(rest, number);
        rest = "";
        isSkipping = true;
      }
    },
    end() {
      if (rest !== "") take(rest);
      rest = "";
    },
  };
}
