import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shortNumber, timeLabel, valueTicks } from "./axis.ts";
import { type ChartOptions, drawChart } from "./chart.ts";

const T0 = Date.UTC(2014, 3, 1);
const MINUTE = 60_000;
const ESCAPE = "\u001b";

function series(values: readonly number[], stepMs = MINUTE) {
  return values.map((value, i) => ({ timestampMs: T0 + i * stepMs, value }));
}

const wave = series(Array.from({ length: 60 }, (_, i) => 50 + 40 * Math.sin(i / 6) + (i === 45 ? 60 : 0)));

/** Snapshots start with a line end, so that the first row keeps its indent. */
function draw(points: Parameters<typeof drawChart>[0], options: Partial<ChartOptions> = {}): string {
  return `\n${drawChart(points, { width: 60, height: 9, ...options })}\n`;
}

describe("drawChart", () => {
  it("draws a curve with scale, times, a mark and a span", () => {
    const span = { fromMs: T0 + 40 * MINUTE, toMs: T0 + 50 * MINUTE };
    expect(draw(wave, { height: 12, marksMs: [T0 + 45 * MINUTE], span })).toMatchInlineSnapshot(`
      "
         │                                     ░░░░░⢸░░░░░
         │                                     ░░░░░⡎⡇░░░░
         │                                     ░░░░░⡇⡇░░░░
      100┤      ⣀⣀⣀⣀⣀⡀                         ░░░░⢰⠁⢸⣀⣀⣀░
         │   ⢀⡰⠉     ⠈⠉⠢⣀                      ░░⡠⠒⠉░░░░░⠉⠒⠤⡀
         │ ⡠⠊⠁           ⠑⠤⡀                  ⣀⠔⠉░░░░░░░░░  ⠈⠢⡀
       50┤⠊                ⠈⠢⣀              ⢀⠜ ░░░░░░░░░░░    ⠈⠢⢄
         │                    ⠱⢄         ⢀⡠⠊⠁  ░░░░░░░░░░░       ⠑
         │                      ⠑⠢⠤⢄⣀⣀⡠⠔⠊⠁     ░░░░░░░░░░░
         │                                          ▲
         └┬──────────────────────────────────────────────────────┬
          2014-04-01 00:00                    2014-04-01 00:59 UTC
      "
    `);
  });

  it("draws the same in ASCII", () => {
    const span = { fromMs: T0 + 40 * MINUTE, toMs: T0 + 50 * MINUTE };
    expect(draw(wave, { height: 12, charset: "ascii", marksMs: [T0 + 45 * MINUTE], span })).toMatchInlineSnapshot(`
      "
         |                                     .....*.....
         |                                     .....*.....
         |                                     .....**....
      100+       ****                          ....*.****.
         |    ****   ****                      .****.....***
         | ***           ***                  **..........  ***
       50+*                 ***             ** ...........     **
         |                     **        ***   ...........       *
         |                       ********      ...........
         |                                          ^
         ++------------------------------------------------------+
          2014-04-01 00:00                    2014-04-01 00:59 UTC
      "
    `);
  });

  it("runs a constant series through the middle", () => {
    expect(draw(series([7, 7, 7]))).toMatchInlineSnapshot(`
      "
       │
       │
       │
      7┤⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒
       │
       │
       │
       └┬────────────────────────────────────────────────────────┬
        2014-04-01 00:00:00                2014-04-01 00:02:00 UTC
      "
    `);
  });

  it("shows a single point with its time", () => {
    expect(draw(series([3.25]))).toMatchInlineSnapshot(`
      "
          │
          │
          │
      3.25┤                           ⠐
          │
          │
          │
          └───────────────────────────┬───────────────────────────
                         2014-04-01 00:00:00.000 UTC
      "
    `);
  });

  it("leaves gaps open, those without a value and those without points", () => {
    const holes = series(Array.from({ length: 30 }, (_, i) => (i >= 8 && i < 12 ? Number.NaN : i)));
    expect(draw(holes.filter((_, i) => i < 18 || i >= 25))).toMatchInlineSnapshot(`
      "
        │                                                 ⢀⣀⡠⠤⠔⠒⠊⠉
        │                                                ⠈⠁
      20┤                                ⣀⡀
        │                        ⢀⣀⡠⠤⠔⠒⠉⠉
      10┤                       ⠈⠁
        │       ⣀⣀⠤⠔⠒⠊⠉
       0┤⣀⠤⠤⠒⠒⠉⠉
        └┬───────────────────────────────────────────────────────┬
         2014-04-01 00:00                     2014-04-01 00:29 UTC
      "
    `);
  });

  it("fits the smallest size", () => {
    expect(draw(wave, { width: 24, height: 5, marksMs: [T0 + 45 * MINUTE] })).toMatchInlineSnapshot(`
      "
      100┤ ⢀⣀⣀⣀         ⣠⣇⣀⡀
       50┤⠚⠉   ⠉⠒⠤⣀⣀⣀⠤⠖⠋⠁  ⠉⠑⠢
         │               ▲
         └┬───────────────────
          2014-04-01 00:00 UTC
      "
    `);
  });

  it("says when there is nothing to draw", () => {
    const size = { width: 60, height: 9 };
    expect(drawChart([], size)).toBe("no points");
    expect(drawChart(series([Number.NaN]), size)).toBe("no points");
    expect(drawChart([{ timestampMs: Number.NaN, value: 1 }], size)).toBe("no points");
  });

  it("keeps a spike of one point among very many", () => {
    const flat = series(Array.from({ length: 50_000 }, (_, i) => (i === 31_234 ? 1 : 0)));
    const [top] = drawChart(flat, { width: 60, height: 9 }).split("\n");
    expect(top!.replace(/[^\u2800-\u28ff]/g, "")).toHaveLength(1);
  });

  it("colours in runs, and only when asked", () => {
    const options = { width: 40, height: 6, marksMs: [T0 + 45 * MINUTE] };
    const plain = drawChart(wave, options);
    const coloured = drawChart(wave, { ...options, isColoured: true });
    expect(plain).not.toContain(ESCAPE);
    expect(coloured).toContain("\u001b[31m▲\u001b[0m");
    expect(stripColours(coloured)).toBe(plain);
  });

  it("keeps its size whatever the points", () => {
    const value = fc.oneof(fc.double(), fc.integer({ min: -5, max: 5 }));
    const time = fc.oneof(fc.integer({ min: -1e6, max: 1e6 }), fc.integer({ min: -8e15, max: 8e15 }));
    const points = fc.array(fc.record({ timestampMs: time, value }), { maxLength: 40 });
    const options = fc.record({
      width: fc.integer({ min: 24, max: 120 }),
      height: fc.integer({ min: 5, max: 30 }),
      marksMs: fc.array(time, { maxLength: 3 }),
      span: fc.record({ fromMs: time, toMs: time }),
      charset: fc.constantFrom("braille" as const, "ascii" as const),
      isColoured: fc.boolean(),
    });
    fc.assert(
      fc.property(points, options, (drawn, size) => {
        const lines = stripColours(drawChart(drawn, size)).split("\n");
        if (!drawn.some(({ value }) => Number.isFinite(value))) {
          expect(lines).toEqual(["no points"]);
          return;
        }
        expect(lines).toHaveLength(size.height);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(size.width);
        if (size.charset === "ascii") expect(lines.join("")).toMatch(/^[\x20-\x7e]*$/);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    { width: 23, height: 9 },
    { width: 60, height: 4 },
    { width: 60.5, height: 9 },
    { width: Number.NaN, height: 9 },
  ])("refuses $width x $height", (size) => {
    expect(() => drawChart(wave, size)).toThrow(/no room for its labels; make it at least 24 x 5/);
  });
});

describe("axis", () => {
  it.each([
    [0, 100, 5, ["0", "20", "40", "60", "80", "100"]],
    [-1, 1, 3, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]],
    [0, 52_000_000, 3, ["0", "20M", "40M"]],
    [9_990, 10_010, 2, ["9.99k", "10.00k", "10.01k"]],
    [0, 2e-7, 2, ["0", "1e-7", "2e-7"]],
    [3, 3, 4, ["3"]],
    [1e15, 1e15 + 1, 2, ["1e15", "1e15"]],
  ])("labels %d to %d", (low, high, wanted, labels) => {
    expect(valueTicks(low, high, wanted).map(({ label }) => label)).toEqual(labels);
  });

  it("keeps ticks within the range and labels short", () => {
    const bound = fc.double({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(bound, bound, fc.integer({ min: 1, max: 10 }), (a, b, wanted) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        const ticks = valueTicks(low, high, wanted);
        expect(ticks.length).toBeGreaterThan(0);
        expect(ticks.length).toBeLessThan(10 * wanted + 30);
        for (const { label } of ticks) expect(label.length).toBeLessThanOrEqual(12);
      }),
    );
  });

  it.each([
    [0.1, "0.1"],
    [123456.789, "123500"],
    [1.23456789e9, "1.235e9"],
    [-1.23456789e-9, "-1.235e-9"],
  ])("shortens %d", (value, label) => {
    expect(shortNumber(value)).toBe(label);
  });

  it.each([
    [1_000, "2014-04-01 00:00:00.000"],
    [60_000, "2014-04-01 00:00:00"],
    [3_600_000, "2014-04-01 00:00"],
    [90 * 86_400_000, "2014-04-01"],
  ])("tells a time of a span of %d ms", (spanMs, label) => {
    expect(timeLabel(T0, spanMs)).toBe(label);
  });
});

function stripColours(text: string): string {
  return text.replaceAll(new RegExp(`${ESCAPE}\\[\\d+m`, "g"), "");
}
