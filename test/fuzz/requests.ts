/** Requests to a contract's procedures: the input as values.ts makes it, sent rightly or with the envelope damaged. */
import type { Contract, Procedure } from "#core/contract.ts";
import type { Seeded } from "./seeded.ts";
import { inputFor } from "./values.ts";

export interface FuzzRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** Short, so that calls that wait for something answer within the test's patience. */
const DEADLINE_MS = 1_000;
const DAMAGE = 0.05;

const BAD_PATHS = [
  "%",
  "%zz",
  "%E0%A4%A",
  "%C0%AF",
  "//",
  "/../..",
  "/%2e%2e/-/metrics",
  ";x",
  "/",
  "?",
  "/" + "p".repeat(9_000),
];
const BAD_BODIES = [
  "",
  "null",
  "[]",
  '"x"',
  "{",
  '{"a":',
  "\ufeff{}",
  "[".repeat(5_000),
  `"${"z".repeat(300_000)}"`,
  "1e999",
];
const BAD_TYPES = [
  "text/plain",
  "application/xml",
  "multipart/form-data",
  "application/json;charset=nonsense",
  "x",
  "///",
];
const BAD_HEADERS: readonly (readonly [string, string])[] = [
  ["x-seedcore-deadline-ms", "0"],
  ["x-seedcore-deadline-ms", "-1"],
  ["x-seedcore-deadline-ms", "NaN"],
  ["x-seedcore-deadline-ms", "1e-9"],
  ["x-seedcore-priority", "constructor"],
  ["x-correlation-id", "a b\u00ff"],
  ["traceparent", "00-zz-zz-zz"],
  ["idempotency-key", ""],
  ["idempotency-key", "k".repeat(201)],
  ["idempotency-key", "one of a few"],
  ["content-encoding", "br"],
  ["accept", "text/html"],
];
const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"];

export function requestFor(contract: Contract, procedure: Procedure, random: Seeded): FuzzRequest {
  const made = inputFor(procedure.input, random);
  const isObject = typeof made === "object" && made !== null && !Array.isArray(made);
  const fields: Record<string, unknown> = isObject ? { ...made } : {};
  let path = `/${contract.name}${procedure.path.replace(/\{([^}]+)\}/g, (_all, name: string) => {
    const value = fields[name];
    delete fields[name];
    return encoded(value ?? "missing");
  })}`;
  const hasBody = procedure.method === "POST" || procedure.method === "PUT";
  if (!hasBody) {
    const query = Object.entries(fields).map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
    if (query.length > 0) path += `?${query.join("&")}`;
  }
  const headers: Record<string, string> = { "x-seedcore-deadline-ms": String(DEADLINE_MS) };
  let body = hasBody ? JSON.stringify(isObject ? fields : made) : undefined;
  if (hasBody) headers["content-type"] = "application/json";
  if (random.chance(DAMAGE)) path += random.pick(BAD_PATHS);
  if (random.chance(DAMAGE) && hasBody) body = random.pick(BAD_BODIES);
  if (random.chance(DAMAGE) && hasBody) headers["content-type"] = random.pick(BAD_TYPES);
  if (random.chance(DAMAGE * 3)) {
    const [name, value] = random.pick(BAD_HEADERS);
    headers[name] = value;
  }
  return { method: random.chance(DAMAGE / 2) ? random.pick(METHODS) : procedure.method, path, headers, body };
}

function encoded(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return encodeURIComponent(text.toWellFormed());
}
