import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromEpoch, parseTimestamp } from "./timestamp.ts";

const T = Date.UTC(2014, 3, 1, 12, 34, 56);

describe("parseTimestamp", () => {
  it.each([
    ["2014-04-01 12:34:56", T],
    ["2014-04-01T12:34:56", T],
    [" 2014-04-01 12:34:56 ", T],
    ["2014-04-01 12:34:56.5", T + 500],
    ["2014-04-01 12:34:56.123999", T + 123],
    ["2014-04-01T12:34:56Z", T],
    ["2014-04-01 12:34:56 UTC", T],
    ["2014-04-01T12:34:56.789+02:00", T + 789 - 7_200_000],
    ["2014-04-01T12:34:56-0530", T + 19_800_000],
    ["2014-04-01T12:34", T - 56_000],
    ["2014-04-01", Date.UTC(2014, 3, 1)],
    ["1969-12-31 23:59:59", -1_000],
    ["1396355696", T],
    ["1396355696.25", T + 250],
    ["1396355696000", T],
    ["1396355696000000", T],
    ["1396355696000000000", T],
    ["0", 0],
  ])("reads %s", (text, expected) => {
    expect(parseTimestamp(text)).toBe(expected);
  });

  it.each([
    "",
    "now",
    "2014-02-29 00:00:00",
    "2014-13-01 00:00:00",
    "2014-04-01 24:00:00",
    "2014-04-01 12:60:00",
    "2014-04-01 12:34:5x",
    "01/04/2014",
    "NaN",
    "1e400",
    "0x10",
  ])("refuses %j", (text) => {
    expect(parseTimestamp(text)).toBeNaN();
  });

  it("agrees with the platform over all years", () => {
    const date = fc.date({
      min: new Date(Date.UTC(0, 0, 1) - 62_000_000_000_000),
      max: new Date("9999-12-31T23:59:59Z"),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(date, (time) => {
        const iso = time.toISOString();
        fc.pre(/^[0-9]/.test(iso));
        expect(parseTimestamp(iso)).toBe(time.getTime());
        expect(parseTimestamp(iso.slice(0, 19).replace("T", " "))).toBe(Math.floor(time.getTime() / 1_000) * 1_000);
      }),
      { numRuns: 1_000 },
    );
  });

  it("has no number for infinity", () => {
    expect(fromEpoch(Number.POSITIVE_INFINITY)).toBeNaN();
    expect(fromEpoch(Number.NaN)).toBeNaN();
  });
});
