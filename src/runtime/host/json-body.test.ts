import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseJsonBody } from "./json-body.ts";

describe("parseJsonBody", () => {
  it("gives back whatever JSON holds", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!/\\ud[89a-f]/i.test(text) && !/"(__proto__|constructor|prototype)":/.test(text));
        expect(parseJsonBody(text, 32)).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each(["__proto__", "constructor", "prototype"])("refuses a member named %s, however deep", (key) => {
    expect(() => parseJsonBody(`[{"a":{"${key}":1}}]`, 32)).toThrow(/not allowed/);
  });

  it("refuses more levels than it may have, without running out of stack", () => {
    expect(() => parseJsonBody("[".repeat(100_000) + "]".repeat(100_000), 32)).toThrow(/deeper than 32/);
  });

  // SQLite stores half a character as U+FFFD: two series whose names differ in it were one row, and a 500.
  it.each(['"\\ud800"', '{"a":["\\uDFFFx"]}', '{"\\ud83d":1}'])("refuses half a character in %s", (text) => {
    expect(() => parseJsonBody(text, 32)).toThrow(/half a character/);
  });

  it("takes whole characters, escaped or not", () => {
    expect(parseJsonBody('["\\ud83d\\ude00","😀","\\\\ud800"]', 32)).toEqual(["😀", "😀", "\\ud800"]);
  });
});
