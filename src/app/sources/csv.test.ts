import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CsvOptions, readCsv } from "./csv.ts";
import type { PointSource } from "./point-source.ts";
import { SourceError } from "./source-error.ts";

const T0 = Date.UTC(2014, 3, 1);

async function* chunksOf(text: string, size = text.length): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
}

async function collect(source: PointSource): Promise<Record<string, [number, number][]>> {
  const found = new Map<string, [number, number][]>();
  for await (const batch of source) {
    for (const { series, points } of batch) {
      const all = found.get(series) ?? [];
      all.push(...points.map(({ timestampMs, value }): [number, number] => [timestampMs, value]));
      found.set(series, all);
    }
  }
  return Object.fromEntries(found);
}

async function parse(text: string, options: Partial<CsvOptions> = {}) {
  const source = readCsv(chunksOf(text), { name: "data/cpu.csv", ...options });
  const series = await collect(source);
  return { series, report: source.report };
}

describe("readCsv", () => {
  it("reads time and value, and names the series after the file", async () => {
    const { series, report } = await parse("timestamp,value\n2014-04-01 00:00:00,20.0\n2014-04-01 00:05:00,-1e-3\n");
    expect(series).toEqual({
      cpu: [
        [T0, 20],
        [T0 + 300_000, -0.001],
      ],
    });
    expect(report).toEqual({
      name: "data/cpu.csv",
      rows: 2,
      accepted: 2,
      rejected: 0,
      examples: [],
      ignoredColumns: [],
    });
  });

  it("takes a column's name unless it is value", async () => {
    expect((await parse("time,load\n1,2\n")).series).toEqual({ load: [[1_000, 2]] });
    expect((await parse("time,Value\n1,2\n", { series: "mine" })).series).toEqual({ mine: [[1_000, 2]] });
  });

  it("reads a column a series, with gaps, wherever the time stands", async () => {
    const { series, report } = await parse("cpu,Timestamp,host,mem\n0.5,1396310400,a,\n,1396310460,b,7\n");
    expect(series).toEqual({ cpu: [[T0, 0.5]], mem: [[T0 + 60_000, 7]] });
    expect(report).toMatchObject({ rows: 2, accepted: 2, rejected: 0, ignoredColumns: ["host"] });
  });

  it("does without a header", async () => {
    expect((await parse("2014-04-01,1\n2014-04-02,2\n")).series).toEqual({
      cpu: [
        [T0, 1],
        [T0 + 86_400_000, 2],
      ],
    });
    expect((await parse("2014-04-01,1,2\n")).series).toEqual({ "cpu.2": [[T0, 1]], "cpu.3": [[T0, 2]] });
  });

  it("copes with a byte order mark, CRLF, blank lines and no last line end", async () => {
    const { series } = await parse("\uFEFFtimestamp,value\r\n\r\n2014-04-01 00:00:00,1\r\n  \r\n2014-04-01 00:00:01,2");
    expect(series).toEqual({
      cpu: [
        [T0, 1],
        [T0 + 1_000, 2],
      ],
    });
  });

  it("reads quoted cells, also with commas, quotes and line ends in them", async () => {
    const { series, report } = await parse(
      '"timestamp","a ""b"", c",note\n"2014-04-01 00:00:00","1.5","x\ny, ""z""\n"\n2014-04-01 00:00:01,2,5" disk\n',
    );
    expect(series).toEqual({
      'a "b", c': [
        [T0, 1.5],
        [T0 + 1_000, 2],
      ],
    });
    expect(report).toMatchObject({ rows: 2, rejected: 0, ignoredColumns: ["note"] });
  });

  it("loses one row to a quote that is never closed", async () => {
    const rows = Array.from({ length: 200 }, (_, i) => `${i + 1},${i}`);
    rows[20] = '21,"20';
    const { series, report } = await parse(`timestamp,value\n${rows.join("\n")}\n`);
    expect(series.cpu).toHaveLength(199);
    expect(report.examples).toEqual([{ line: 22, text: '21,"20', reason: "a quote is never closed" }]);
  });

  it("reports what it rejects by line and goes on", async () => {
    const { series, report } = await parse(
      "timestamp,a,b\n1,1,2\nyesterday,1,2\n2,NaN,3\n3,inf,\n4,1\n5,0x10,6\n2014-02-30,1,2\n7,7,7\n",
    );
    expect(series).toEqual({
      a: [
        [1_000, 1],
        [7_000, 7],
      ],
      b: [
        [1_000, 2],
        [2_000, 3],
        [5_000, 6],
        [7_000, 7],
      ],
    });
    expect(report).toMatchObject({ rows: 8, accepted: 6, rejected: 6 });
    expect(report.examples).toEqual([
      { line: 3, text: "yesterday,1,2", reason: '"yesterday" is not a time' },
      { line: 4, text: "2,NaN,3", reason: '"NaN" is not a finite number' },
      { line: 5, text: "3,inf,", reason: '"inf" is not a finite number' },
      { line: 6, text: "4,1", reason: "2 cells where the header has 3" },
      { line: 7, text: "5,0x10,6", reason: '"0x10" is not a finite number' },
      { line: 8, text: "2014-02-30,1,2", reason: '"2014-02-30" is not a time' },
    ]);
  });

  it("keeps ten examples and the whole count", async () => {
    const { report } = await parse(`timestamp,value\n1,1\n${`x${"y".repeat(100)},1\n`.repeat(50)}`);
    expect(report.rejected).toBe(50);
    expect(report.examples).toHaveLength(10);
    expect(report.examples[0]!.text).toHaveLength(80);
  });

  it("rejects a line over 1 MiB and keeps its place", async () => {
    const text = `timestamp,value\n1,1\n${"9".repeat(3_000_000)}\n3,3\nx,4\n`;
    const source = readCsv(chunksOf(text, 65_536), { name: "cpu.csv" });
    expect(await collect(source)).toEqual({
      cpu: [
        [1_000, 1],
        [3_000, 3],
      ],
    });
    expect(source.report.examples.map(({ line, reason }) => [line, reason])).toEqual([
      [3, "the line is longer than 1 MiB"],
      [5, '"x" is not a time'],
    ]);
  });

  it("gives the same points however the text is cut", async () => {
    const cell = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.constantFrom("", "NaN", '"1.5"', '"a,""b\n"'),
    );
    const rows = fc.array(fc.tuple(fc.integer({ min: 0, max: 1e9 }), cell, cell), { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(
        rows,
        fc.integer({ min: 1, max: 50 }),
        fc.constantFrom("\n", "\r\n"),
        async (table, size, lineEnd) => {
          // The first row settles the columns, however little of the file has come.
          const text = ["timestamp,a,b", "0,1,1", ...table.map((row) => row.join(","))].join(lineEnd);
          const whole = readCsv(chunksOf(text), { name: "x.csv" });
          const cut = readCsv(chunksOf(text, size), { name: "x.csv" });
          const bytes = readCsv(Readable.from([Buffer.from(text)]), { name: "x.csv", maxBatchPoints: 1 });
          const expected = await collect(whole);
          expect(await collect(cut)).toEqual(expected);
          expect(await collect(bytes)).toEqual(expected);
          expect(cut.report).toEqual(whole.report);
        },
      ),
    );
  });

  it("ends a batch at its limit and with its chunk", async () => {
    const sizes = async (chunks: AsyncIterable<string>) => {
      const found: number[] = [];
      for await (const batch of readCsv(chunks, { name: "x", maxBatchPoints: 3 })) {
        found.push(batch.reduce((sum, { points }) => sum + points.length, 0));
      }
      return found;
    };
    const rows = Array.from({ length: 7 }, (_, i) => `${i},${i}\n`);
    expect(await sizes(chunksOf(`timestamp,value\n${rows.join("")}`))).toEqual([3, 3, 1]);
    expect(await sizes(Readable.from(["timestamp,value\n", ...rows.slice(0, 2)]))).toEqual([1, 1]);
  });

  // ml takes no time before 1970: one such row must not stop the rows after it.
  it("rejects a row before 1970 and goes on", async () => {
    for (const header of ["timestamp,value", "timestamp,value,other"]) {
      const rest = header.endsWith("other") ? ",2" : "";
      const { report } = await parse(`${header}\n1969-12-31 23:59:59,1${rest}\n1970-01-01 00:00:00,1${rest}\n`);
      expect(report.examples).toMatchObject([{ line: 2, reason: '"1969-12-31 23:59:59" is before 1970' }]);
      expect(report.rejected).toBe(1);
      expect(report.accepted).toBeGreaterThan(0);
    }
  });

  it("takes prototype names as names", async () => {
    const source = readCsv(chunksOf("timestamp,__proto__,constructor\n1,2,3\n"), { name: "x.csv" });
    const names: string[] = [];
    for await (const batch of source) names.push(...batch.map(({ series }) => series));
    expect(names).toEqual(["__proto__", "constructor"]);
  });

  it.each([
    ["timestamp;value\n1;2,5\n", /not by semicolons; decimals have a point/],
    ["timestamp\tvalue\n1\t2\n", /not by tabs/],
    ["timestamp\n1\n", /by commas\.$/],
  ])("says what separates %j", async (text, hint) => {
    await expect(parse(text)).rejects.toHaveProperty("hint", expect.stringMatching(hint));
  });

  it.each([
    ["", /"data\/cpu.csv" has no rows/],
    ["\n\n", /has no rows/],
    ["timestamp,value\n", /has no rows/],
    ["timestamp\n1\n", /has one column, "timestamp"/],
    ["timestamp;value\n1;2\n", /has one column/],
    [
      "timestamp,value\nyesterday,1\n1,NaN\n",
      /all 2 of its values and rows are refused, the first in line 2: "yesterday" is/,
    ],
    ["timestamp,host\n1,a\n", /no column of numbers beside the time; line 2 is "1,a"/],
    ["timestamp,value\n1,\0\n", /contains NUL bytes/],
    ["timestamp,\u001b[31mred\n1,2\n", /the name of column 2 has control characters/],
    [`timestamp,a,${"n".repeat(201)}\n1,2,3\n`, /the name of column 3 has 201 characters/],
    ["timestamp,a,a\n1,2,3\n", /has two columns called "a"/],
  ])("says what is wrong with %j", async (text, message) => {
    const reading = parse(text);
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toBeInstanceOf(SourceError);
    await expect(reading).rejects.toHaveProperty("hint", expect.stringMatching(/\.$/));
  });
});
