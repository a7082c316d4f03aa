import { expect, test } from "vitest";
import { mergeExpositions } from "./metrics-merge.ts";

test("families are declared once and their samples stand together, each with where it came from", () => {
  const text = (n: number) => `# HELP calls_seconds Time.
# TYPE calls_seconds histogram
calls_seconds_bucket{le="1",path="/a}b\\"c"} ${n}
calls_seconds_count ${n}
# HELP up Up.
# TYPE up gauge
up{} 1
`;
  const merged = mergeExpositions([
    { text: text(1), labels: { host: "core", replica: "core/0@1" } },
    { text: text(2), labels: { host: "ml", replica: 'ml/0@"2"' } },
  ]);
  expect(merged).toMatchInlineSnapshot(`
    "# HELP calls_seconds Time.
    # TYPE calls_seconds histogram
    calls_seconds_bucket{host="core",replica="core/0@1",le="1",path="/a}b\\"c"} 1
    calls_seconds_count{host="core",replica="core/0@1"} 1
    calls_seconds_bucket{host="ml",replica="ml/0@\\"2\\"",le="1",path="/a}b\\"c"} 2
    calls_seconds_count{host="ml",replica="ml/0@\\"2\\""} 2
    # HELP up Up.
    # TYPE up gauge
    up{host="core",replica="core/0@1"} 1
    up{host="ml",replica="ml/0@\\"2\\""} 1
    "
  `);
});

test("labels that a sample has already stay its own, even when a value looks like one", () => {
  const merged = mergeExpositions([
    { text: 'a{host="mine"} 1\nb{x="host=\\"no\\""} 2\nc 3 1700000000000', labels: { host: "h", replica: "r" } },
  ]);
  expect(merged.trim().split("\n")).toEqual([
    'a{replica="r",host="mine"} 1',
    'b{host="h",replica="r",x="host=\\"no\\""} 2',
    'c{host="h",replica="r"} 3 1700000000000',
  ]);
});
