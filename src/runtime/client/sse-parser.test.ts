import fc from "fast-check";
import { expect, test } from "vitest";
import { type ServerSentEvent, SseParser } from "./sse-parser.ts";

const lineText = fc.string({ unit: "grapheme" }).map((text) => text.replace(/[\r\n\0\uFEFF]/g, ""));
const event = fc.record({
  type: fc.constantFrom("message", "error"),
  lines: fc.array(lineText, { minLength: 1, maxLength: 3 }),
  comment: fc.option(lineText),
  ending: fc.constantFrom("\n", "\r\n", "\r"),
});

/** Each event as a server may write it, with its own line endings. */
function written(events: readonly { type: string; lines: string[]; comment: string | null; ending: string }[]): Buffer {
  const text = events.map(({ type, lines, comment, ending }) => {
    const all = [
      ...(comment === null ? [] : [`:${comment}`]),
      ...(type === "message" ? [] : [`event: ${type}`]),
      "id: 7",
      ...lines.map((line) => `data: ${line}`),
      "",
      "",
    ];
    return all.join(ending);
  });
  return Buffer.from(text.join(""));
}

test("however the bytes are cut, the events are the same: half a character and half a line ending included", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 20 }), (events, cuts) => {
      const bytes = written(events);
      const at = [...new Set([0, ...cuts.map((cut) => (bytes.length === 0 ? 0 : cut % bytes.length)), bytes.length])];
      at.sort((a, b) => a - b);
      const parser = new SseParser();
      const parsed: ServerSentEvent[] = [];
      for (let i = 0; i + 1 < at.length; i++) parsed.push(...parser.push(bytes.subarray(at[i], at[i + 1])));
      // The last "\r" might have been half of "\r\n": what follows tells.
      parsed.push(...parser.push(Buffer.from(":\n")));
      expect(parsed).toEqual(events.map(({ type, lines }) => ({ type, data: lines.join("\n") })));
    }),
  );
});

test("an event cut off by the end of the connection is none", () => {
  expect(new SseParser().push(Buffer.from('data: {"a":1}\n'))).toEqual([]);
});

test("comments and empty events, which are heartbeats, yield nothing", () => {
  expect(new SseParser().push(Buffer.from(":\n\n:\n\nevent: x\n\n"))).toEqual([]);
});
