/** Calls of the organism's services from the page. Who calls is told by the session's cookie. */
import type { cognitive } from "#contracts/cognitive.ts";
import type { coordinator } from "#contracts/coordinator.ts";
import type { ml } from "#contracts/ml.ts";
import type { organism } from "#contracts/organism.ts";
import type { state } from "#contracts/state.ts";
import type { telemetry } from "#contracts/telemetry.ts";
import type { InputOf, OutputOf } from "#core/contract.ts";
import { ROUTES, type RouteName } from "./routes.ts";

interface Contracts {
  readonly cognitive: typeof cognitive;
  readonly coordinator: typeof coordinator;
  readonly ml: typeof ml;
  readonly organism: typeof organism;
  readonly state: typeof state;
  readonly telemetry: typeof telemetry;
}

type ProcedureOf<N extends RouteName> = N extends `${infer S extends keyof Contracts}.${infer P}`
  ? P extends keyof Contracts[S]["procedures"]
    ? Contracts[S]["procedures"][P]
    : never
  : never;
export type Input<N extends RouteName> = InputOf<ProcedureOf<N>>;
export type Output<N extends RouteName> = OutputOf<ProcedureOf<N>>;

/** What the organism refused, in its own words. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const TIMEOUT_MS = 10_000;

/** @throws Refusal, or a TypeError when nobody answers */
export async function call<N extends RouteName>(name: N, input: Input<N>): Promise<Output<N>> {
  const [method] = ROUTES[name];
  if (method === "GET") return (await send(method, pathOf(name, input))) as Output<N>;
  const { url, rest } = addressOf(name, input);
  return (await send(method, url, Object.fromEntries(rest))) as Output<N>;
}

/** The address of what is read, its query included. */
export function pathOf<N extends RouteName>(name: N, input: Input<N>): string {
  const { url, rest } = addressOf(name, input);
  const query = new URLSearchParams(
    [...rest].flatMap(([field, value]) => [value].flat().map((one): [string, string] => [field, String(one)])),
  );
  return query.size === 0 ? url : `${url}?${query}`;
}

/** The address, and the fields that are not in it. */
function addressOf<N extends RouteName>(name: N, input: Input<N>): { url: string; rest: Map<string, unknown> } {
  const [, template] = ROUTES[name];
  const [service] = name.split(".");
  const rest = new Map(Object.entries(input as Record<string, unknown>));
  const path = template.replace(/\{(\w+)\}/g, (_whole, field: string) => {
    const value = String(rest.get(field));
    rest.delete(field);
    return encodeURIComponent(value);
  });
  return { url: `/${service}${path}`, rest };
}

export async function send(method: string, url: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(url, {
    method,
    headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const answer: unknown = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return answer;
  const detail = (answer as { detail?: unknown } | null)?.detail;
  throw new Refusal(response.status, typeof detail === "string" ? detail : `The gateway answered ${response.status}.`);
}
