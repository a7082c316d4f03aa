/**
 * Requests made from the contracts, right and wrong, against a real organism. Whatever is sent, an answer is what the
 * contract declares or a problem document, no host is lost to it, and nothing hangs.
 */
import { Agent, request as send } from "node:http";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BUILT_IN_CONTRACTS } from "#app/built-in-contracts.ts";
import { telemetry } from "#contracts/telemetry.ts";
import type { Contract, Procedure } from "#core/contract.ts";
import { isErrorCode } from "#core/error-codes.ts";
import { TestOrganism } from "../app/organism.ts";
import { type FuzzRequest, requestFor } from "./requests.ts";
import { Seeded } from "./seeded.ts";

const SEED = 20_260_101;
const REQUESTS = 3_000;
const AT_ONCE = 16;
/** Calls are given a second; the rest is for a busy machine. */
const HANG_MS = 15_000;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

let organism: TestOrganism;
let gatewayUrl: string;
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });

beforeAll(async () => {
  organism = await TestOrganism.create();
  ({ gatewayUrl } = await organism.up());
});
afterAll(async () => {
  agent.destroy();
  await organism.destroy();
});

function ask(url: string, { method, path, headers, body }: FuzzRequest, isStream: boolean): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(HANG_MS);
    // Node frames the body of a GET or DELETE only when it is told its length.
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const authorization = `Bearer ${organism.token()}`;
    const request = send({
      hostname,
      port,
      method,
      path,
      headers: { authorization, ...length, ...headers },
      agent,
      signal,
    });
    request.on("error", (error) => reject(signal.aborted ? new Error(`no answer within ${HANG_MS} ms`) : error));
    request.on("response", (response) => {
      const done = (text: string) =>
        resolve({ status: response.statusCode ?? 0, type: response.headers["content-type"] ?? "", body: text });
      // A stream has no end of its own: that it began is all that is asked.
      if (isStream && response.statusCode === 200) {
        done("");
        request.destroy();
        return;
      }
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
      response.on("end", () => done(text)).on("error", reject);
    });
    request.end(body);
  });
}

/** What is wrong with an answer; undefined when nothing is. */
function fault(procedure: Procedure, request: FuzzRequest, { status, type, body }: Answer): string | undefined {
  if (request.method === "HEAD") return body === "" && status < 500 ? undefined : "HEAD with a body or a defect";
  if (status >= 200 && status <= 299) {
    if (type.startsWith("text/event-stream")) return undefined;
    if (!type.startsWith("application/json")) return `an answer of type ${type}`;
    // Another method means another procedure.
    if (request.method !== procedure.method) return undefined;
    const checked = procedure.output.safeParse(JSON.parse(body));
    return checked.success ? undefined : `an answer against the contract: ${checked.error.message}`;
  }
  if (status >= 500 && status !== 503 && status !== 504) return "a defect";
  if (!type.startsWith("application/problem+json")) return `an error of type ${type}`;
  const problem = JSON.parse(body) as { code: string; status: number; data?: unknown; detail?: unknown };
  if (problem.status !== status || typeof problem.detail !== "string") return "a problem that contradicts itself";
  if (isErrorCode(problem.code)) return undefined;
  const declared = errors.filter(({ code }) => code === problem.code);
  if (declared.length === 0) return `an error nobody declares: ${problem.code}`;
  const fits = declared.some(({ schema }) => schema.safeParse(problem.data).success);
  return fits ? undefined : "a declared error without its data";
}

/** Of all procedures: a damaged path may lead to another one. */
const errors = procedures().flatMap(({ procedure }) =>
  Object.entries(procedure.errors).map(([code, schema]) => ({ code, schema })),
);

async function platform() {
  const request = { method: "GET", path: "/telemetry/status", headers: {}, body: undefined };
  const { body } = await ask(gatewayUrl, request, false);
  return telemetry.procedures.status.output.parse(JSON.parse(body));
}

function procedures(): { contract: Contract; procedure: Procedure }[] {
  return Object.values(BUILT_IN_CONTRACTS).flatMap((contract: Contract) =>
    Object.values(contract.procedures).map((procedure) => ({ contract, procedure })),
  );
}

describe("requests made from the contracts", () => {
  test(`are answered by the contracts, ${REQUESTS} of them`, { timeout: 180_000 }, async () => {
    const before = await platform();
    const all = procedures();
    const addresses = new Map<string, string>();
    for (const { spec, replicas } of before.hosts) {
      for (const service of spec["services"] as string[]) addresses.set(service, replicas[0]?.address ?? gatewayUrl);
    }
    const random = new Seeded(SEED);
    const faults: string[] = [];
    const statuses = new Map<number, number>();
    let begun = 0;
    const worker = async () => {
      while (begun < REQUESTS) {
        const number = begun++;
        const { contract, procedure } = all[number % all.length] as (typeof all)[number];
        const request = requestFor(contract, procedure, random);
        const url = number % 3 === 0 ? (addresses.get(contract.name) ?? gatewayUrl) : gatewayUrl;
        let what: string | undefined;
        try {
          const answer = await ask(url, request, procedure.stream);
          statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
          what = fault(procedure, request, answer);
          if (what !== undefined) what += `: ${answer.status} ${answer.body.slice(0, 400)}`;
        } catch (error) {
          what = (error as Error).message;
        }
        if (what === undefined) continue;
        const { method, path, headers, body } = request;
        faults.push(
          `#${number} ${method} ${url}${path.slice(0, 200)} ${JSON.stringify(headers)} ${body?.slice(0, 300)}\n  ${what}`,
        );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    expect(faults).toEqual([]);

    // Right ones were among them, and wrong ones.
    expect(statuses.get(200)).toBeGreaterThan(REQUESTS / 10);
    expect(statuses.get(422)).toBeGreaterThan(REQUESTS / 20);
    const after = await platform();
    const lives = ({ hosts }: typeof after) =>
      hosts.flatMap(({ replicas }) => replicas.map(({ id, pid, restarts }) => ({ id, pid, restarts })));
    expect(lives(after)).toEqual(lives(before));
    expect(defectsInLogs()).toEqual([]);
  });
});

/** Lines of level error: a request, however wrong, is no defect of ours. */
function defectsInLogs(): string[] {
  const logs = join(organism.directory, "data", "logs");
  return readdirSync(logs)
    .flatMap((file) => readFileSync(join(logs, file), "utf8").split("\n"))
    .filter((line) => line.includes('"level":"error"') || line.includes('"level":"fatal"'))
    .map((line) => line.slice(0, 500));
}
