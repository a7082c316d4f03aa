import { formatDuration } from "#core/duration.ts";
import { describe, expect, it } from "vitest";
import { formatBytes, formatCount, formatTime, formatValue, plural } from "./format.ts";
import { formatLogLine, isAtLeast } from "./log-line.ts";
import { createOutput, type Stream } from "./output.ts";
import { createProgress } from "./progress.ts";
import { toTable } from "./table.ts";
import { toSpeed } from "./watch/replay.ts";

function stream(isTTY: boolean): Stream & { text: string } {
  return {
    text: "",
    isTTY,
    columns: 40,
    write(part) {
      this.text += part;
      return true;
    },
  };
}

describe("tables", () => {
  const columns = [{ title: "NAME", maxWidth: 6 }, { title: "N", align: "right" as const }, { title: "" }];

  it("align by what is seen, colours not counted, and fit the terminal", () => {
    const lines = toTable(
      columns,
      [
        ["a", "5", "x"],
        ["\u001b[32mlonger name\u001b[39m", "1000", "a long tail of words"],
      ],
      { width: 24 },
    );
    expect(lines).toEqual(["NAME       N", "a          5  x", "longe…  1000  a long ta…"]);
  });

  // A list of incidents without its titles is of no use, and 80 columns are common.
  it("shorten ids and leave columns out on a narrow terminal, so that the last one can be read", () => {
    const list = [
      { title: "ID", whenNarrow: "keep end" as const },
      { title: "STATE" },
      { title: "CHANGED", whenNarrow: "leave out" as const },
      { title: "" },
    ];
    const rows = [["inc_01m85dns55q2gvdwfbnkh0v65t", "open", "5 s ago", "shop/latency moved up"]];
    expect(toTable(list, rows, { width: 50 })[1]).toBe("…nkh0v65t  open   shop/latency moved up");
    expect(toTable(list, rows, { width: 80 })[1]).toBe(rows[0]?.join("  ").replace("open", "open "));
  });

  // Names come from data: one with a line break or an escape sequence must not rewrite the screen.
  it("show control characters of names as spaces", () => {
    expect(toTable([{ title: "" }], [["a\nb\u001b[2Jc\u0007"]])[1]).toBe("a b [2Jc");
  });
});

describe("output", () => {
  it("prints data alone with --json, colours only for a terminal, hints beside the data", () => {
    const [stdout, stderr] = [stream(false), stream(false)];
    const output = createOutput({ json: true, stdout, stderr });
    output.line("no");
    output.hint("no");
    output.data({ a: 1 });
    expect([stdout.text, stderr.text]).toEqual(['{"a":1}\n', ""]);
    const plain = createOutput({ json: false, stdout, stderr });
    plain.data({ a: 1 });
    plain.hint("Next");
    expect(plain.style("red", "x")).toBe("x");
    expect([stdout.text, stderr.text]).toEqual(['{"a":1}\n', "Next\n"]);
  });

  it("shows progress after a second, only to a person, and wipes it", () => {
    let nowMs = 0;
    const draw = (isTTY: boolean) => {
      nowMs = 0;
      const stderr = stream(isTTY);
      const progress = createProgress(createOutput({ json: false, stdout: stream(isTTY), stderr }), () => nowMs);
      progress.show(0.1, "early");
      nowMs = 1_500;
      progress.show(0.5, "points");
      progress.clear();
      return stderr.text;
    };
    expect(draw(true)).toContain("50 %");
    expect(draw(true)).not.toContain("early");
    expect(draw(true).endsWith("\r\u001b[K")).toBe(true);
    expect(draw(false)).toBe("");
  });
});

describe("numbers and times", () => {
  it("read as a person would say them", () => {
    expect([0.4, 950, 1_500, 45_000, 600_000, 7_200_000, 864_000_000].map(formatDuration)).toEqual([
      "0 ms",
      "950 ms",
      "1.5 s",
      "45 s",
      "10 min",
      "2 h",
      "10 days",
    ]);
    expect([0, 1234567, 0.000123456, 99.12345678, 1e-9, 123456.789].map(formatValue)).toEqual([
      "0",
      "1234567",
      "0.00012346",
      "99.123",
      "1.000e-9",
      "123457",
    ]);
    expect([0, 999, 132_000_000, 83.6e9].map(formatBytes)).toEqual(["0 B", "999 B", "132 MB", "83.6 GB"]);
    expect([formatCount(1234567), plural(1, "row"), plural(0, "row")]).toEqual(["1,234,567", "1 row", "0 rows"]);
    expect([formatTime(0), formatTime(1), formatTime(Number.NaN)]).toEqual([
      "1970-01-01 00:00:00Z",
      "1970-01-01 00:00:00.001Z",
      "?",
    ]);
  });

  it("take a speed as written, and nothing that is none", () => {
    expect([toSpeed("max"), toSpeed("60x"), toSpeed("0.5")]).toEqual([Number.POSITIVE_INFINITY, 60, 0.5]);
    for (const wrong of ["0x", "-1x", "fast", ""]) expect(() => toSpeed(wrong)).toThrow(/--speed/);
  });
});

describe("log lines", () => {
  const style = (_format: string, text: string) => text;

  it("are one readable line; what is no JSON, such as a crash's last words, stays", () => {
    const line =
      '{"level":"warn","time":"2026-01-01T00:00:00.500Z","host":"core","pid":1,"source":"x","msg":"A source fails."}';
    expect(formatLogLine(line, "core", style)).toBe(
      '2026-01-01 00:00:00.500Z warn  core       A source fails. source="x"',
    );
    expect(formatLogLine("Segmentation fault", "ml", style)).toBe("ml  Segmentation fault");
    expect([isAtLeast(line, "warn"), isAtLeast(line, "error"), isAtLeast("Segmentation fault", "error")]).toEqual([
      true,
      false,
      true,
    ]);
  });
});
