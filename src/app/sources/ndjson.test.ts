import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Clock, systemClock } from "#core/clock.ts";
import { readNdjson } from "./ndjson.ts";
import { SourceError } from "./source-error.ts";

const clock: Clock = { ...systemClock, now: () => 42 };

async function parse(lines: readonly string[]) {
  const source = readNdjson(Readable.from([lines.join("\n")]), { name: "stdin", clock });
  const found: [string, number, number][] = [];
  for await (const batch of source) {
    for (const { series, points } of batch)
      for (const { timestampMs, value } of points) found.push([series, timestampMs, value]);
  }
  return { found, report: source.report };
}

describe("readNdjson", () => {
  it("reads long lines, wide lines and lines without a time", async () => {
    const { found, report } = await parse([
      '{"series":"disk","timestamp":1396310400000,"value":1}',
      "",
      '{"timestamp":"2014-04-01T02:00:00+02:00","cpu":0.5,"mem":null,"host":"a"}',
      '{"load":3}',
      '{"time":1396310400,"value":4}',
      '{"series":"disk","value":null}',
    ]);
    const t0 = Date.UTC(2014, 3, 1);
    expect(found).toEqual([
      ["disk", t0, 1],
      ["cpu", t0, 0.5],
      ["load", 42, 3],
      ["value", t0, 4],
    ]);
    expect(report).toMatchObject({ rows: 5, accepted: 4, rejected: 0 });
  });

  // What was written before the command had started arrives at once: with one time for all, all but one line would be late.
  it("gives lines that arrive together times of their own, series by series", async () => {
    const { found } = await parse(['{"a":1}', '{"a":2,"b":9}', '{"series":"a","value":3}']);
    expect(found.sort(([, a], [, b]) => a - b)).toEqual([
      ["a", 42, 1],
      ["b", 42, 9],
      ["a", 43, 2],
      ["a", 44, 3],
    ]);
  });

  // One line that ml would refuse must not stop the lines after it.
  it("rejects times before 1970 and names that cannot be a series'", async () => {
    const { found, report } = await parse([
      '{"ts":-5,"cpu":1}',
      '{"ts":1,"series":"a\\u001b[2J","value":1}',
      '{"ts":1,"a\\ud800":1}',
      `{"ts":1,"${"n".repeat(201)}":1}`,
      '{"ts":1,"cpu":1}',
    ]);
    expect(found).toEqual([["cpu", 1_000, 1]]);
    expect(report.examples.map(({ line }) => line)).toEqual([1, 2, 3, 4]);
  });

  it("reports what it rejects by line and goes on", async () => {
    const { found, report } = await parse([
      "{",
      "[1]",
      "null",
      '{"timestamp":"soon","cpu":1}',
      '{"timestamp":true,"cpu":1}',
      '{"series":7,"value":1}',
      '{"series":"a"}',
      '{"series":"a","value":"1"}',
      '{"cpu":1e999,"mem":2}',
      '{"host":"a"}',
      '{"series":"a","value":5}',
    ]);
    expect(found).toEqual([
      ["mem", 42, 2],
      ["a", 42, 5],
    ]);
    expect(report).toMatchObject({ rows: 11, accepted: 2, rejected: 10 });
    expect(report.examples.map(({ line, reason }) => `${line}: ${reason}`)).toEqual([
      "1: not a JSON object",
      "2: not a JSON object",
      "3: not a JSON object",
      '4: "soon" is not a time',
      "5: true is not a time",
      "6: series is not a name",
      "7: a series without a value",
      "8: value is not a finite number",
      "9: cpu is not a finite number",
      "10: no field with a number",
    ]);
  });

  it("rejects a line over 1 MiB with its number", async () => {
    const { found, report } = await parse(['{"a":1}', `{"a":${"1".repeat(1_100_000)}}`, '{"a":2}']);
    expect(found.map(([, , value]) => value)).toEqual([1, 2]);
    expect(report.examples).toMatchObject([{ line: 2, reason: "the line is longer than 1 MiB" }]);
  });

  it("takes any name for a series, those of a prototype too", async () => {
    const name = fc.oneof(fc.constantFrom("__proto__", "constructor", "toString"), fc.string({ minLength: 1 }));
    await fc.assert(
      fc.asyncProperty(name, async (series) => {
        const { found } = await parse([`{"series":${JSON.stringify(series)},"value":1}`]);
        expect(found).toEqual([[series, 42, 1]]);
      }),
    );
    const { found } = await parse(['{"__proto__":1,"constructor":2}']);
    expect(found).toEqual([
      ["__proto__", 42, 1],
      ["constructor", 42, 2],
    ]);
  });

  it("never throws on a line, whatever is in it", async () => {
    const line = fc.oneof(
      fc.string(),
      fc.json(),
      fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.stringify(value)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line), async (lines) => {
        const { report } = await parse(['{"a":1}', ...lines.map((text) => text.replaceAll("\0", ""))]);
        expect(report.accepted).toBeGreaterThanOrEqual(1);
      }),
    );
  });

  it("says when there was nothing", async () => {
    await expect(parse([])).rejects.toThrow(SourceError);
    await expect(parse(["", " "])).rejects.toThrow(/"stdin" has no rows/);
  });
});
