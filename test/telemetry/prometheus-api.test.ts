import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectPrometheus, type PrometheusServer } from "#services/telemetry/prometheus-api.ts";
import { FakePrometheus, send } from "./fake-prometheus.ts";

const RANGE = { query: "up", startMs: 1_000_000_000_000, endMs: 1_000_000_060_000, stepMs: 15_000 };
const signal = new AbortController().signal;

let prometheus: FakePrometheus;
let url: string;
let server: PrometheusServer;
beforeEach(async () => {
  prometheus = new FakePrometheus({
    up: [
      { labels: { job: "a" }, value: (s) => String(s % 60) },
      { labels: { job: "b" }, value: (s) => ["1", "NaN", "+Inf", "-Inf", "2"][((s - 1_000_000_000) / 15) % 5] },
    ],
  });
  url = await prometheus.listen();
  server = connectPrometheus({ url: `${url}/`, allowPrivate: false, authorization: "Bearer abc", timeoutMs: 300 });
});
afterEach(async () => {
  await server.close();
  await prometheus.close();
});

describe("query_range", () => {
  it("gives each series with its labels; NaN and infinities are gaps", async () => {
    expect(await server.queryRange(RANGE, signal)).toEqual([
      { labels: { job: "a" }, points: [0, 1, 2, 3, 4].map((i) => [RANGE.startMs + i * 15_000, (40 + i * 15) % 60]) },
      {
        labels: { job: "b" },
        points: [
          [RANGE.startMs, 1],
          [RANGE.endMs, 2],
        ],
      },
    ]);
    expect(prometheus.asked[0]).toEqual({ ...RANGE, authorization: "Bearer abc" });
  });

  // Each of these is an answer that real servers and the proxies before them give.
  it.each([
    ["a proxy's 502", 502, "<html>Bad Gateway</html>", /answered 502.*Bad Gateway/],
    ["a login page", 200, "<html>sign in</html>", /not the query API's JSON.*sign in/],
    ["half a JSON", 200, '{"status":"success","data":{"resultType":"matrix","result":[{"met', /perhaps cut off/],
    ["a vector", 200, '{"status":"success","data":{"resultType":"vector","result":[]}}', /a vector, not a matrix/],
    [
      "a bad query",
      400,
      '{"status":"error","errorType":"bad_data","error":"parse error"}',
      /400.*bad_data: parse error/,
    ],
    ["its own time-out", 503, '{"status":"error","errorType":"timeout","error":"query timed out"}', /503.*timed out/],
  ])("says what came instead: %s", async (_what, status, body, message) => {
    prometheus.misbehave = (response) => send(response, status, body);
    await expect(server.queryRange(RANGE, signal)).rejects.toThrow(message);
  });

  it("says that it does not answer, in time", async () => {
    prometheus.misbehave = () => {};
    await expect(server.queryRange(RANGE, signal)).rejects.toThrow(/did not answer within 0.3 s/);
  });

  it("says that nobody listens there", async () => {
    await prometheus.close();
    await expect(server.queryRange(RANGE, signal)).rejects.toThrow(/could not be asked: .*ECONNREFUSED/);
  });

  it("does not follow a redirect, which could lead anywhere", async () => {
    prometheus.misbehave = (response) => response.writeHead(302, { location: "http://169.254.169.254/" }).end();
    await expect(server.queryRange(RANGE, signal)).rejects.toThrow(/answered 302/);
  });

  it("refuses addresses of private networks unless allowed", async () => {
    const options = { url: "http://10.0.0.1:9090" };
    expect(() => connectPrometheus({ ...options, allowPrivate: false })).toThrow(/private network/);
    await connectPrometheus({ ...options, allowPrivate: true }).close();
  });
});
