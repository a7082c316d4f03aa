/** A small Prometheus: its query_range over HTTP, with series that are functions of time, and every way to fail. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface FakeSeries {
  readonly labels: Readonly<Record<string, string>>;
  /** The sample's text at a time in seconds; undefined where there is none. */
  value(seconds: number): string | undefined;
}

export interface AskedRange {
  readonly query: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
  readonly authorization: string | undefined;
}

export type Answer = (response: ServerResponse, asked: AskedRange) => void;

export class FakePrometheus {
  readonly asked: AskedRange[] = [];
  /** When set, answers in place of the data. */
  misbehave: Answer | undefined;
  readonly #series: Readonly<Record<string, readonly FakeSeries[]>>;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  constructor(series: Readonly<Record<string, readonly FakeSeries[]>>) {
    this.#series = series;
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: string[] = [];
    for await (const part of request) parts.push(String(part));
    const form = new URLSearchParams(parts.join(""));
    const ms = (name: string) => Math.round(Number(form.get(name)) * 1_000);
    const asked: AskedRange = {
      query: form.get("query") ?? "",
      startMs: ms("start"),
      endMs: ms("end"),
      stepMs: ms("step"),
      authorization: request.headers.authorization,
    };
    this.asked.push(asked);
    if (this.misbehave !== undefined) return this.misbehave(response, asked);
    if (request.url !== "/api/v1/query_range") return send(response, 404, "404 page not found");
    if ((asked.endMs - asked.startMs) / asked.stepMs >= 11_000) {
      const error = "exceeded maximum resolution of 11,000 points per timeseries.";
      return send(response, 400, JSON.stringify({ status: "error", errorType: "bad_data", error }));
    }
    const result = (this.#series[asked.query] ?? []).map(({ labels, value }) => {
      const values: [number, string][] = [];
      for (let t = asked.startMs; t <= asked.endMs; t += asked.stepMs) {
        const text = value(t / 1_000);
        if (text !== undefined) values.push([t / 1_000, text]);
      }
      return { metric: labels, values };
    });
    send(response, 200, JSON.stringify({ status: "success", data: { resultType: "matrix", result } }));
  }
}

export function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "content-type": "application/json" }).end(body);
}
