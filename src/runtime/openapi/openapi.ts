/** OpenAPI 3.1 from contracts. */
import { z } from "zod";
import { type Contract, type Procedure, pathParameters } from "#core/contract.ts";
import { ERROR_CODES } from "#core/error-codes.ts";
import { HEADERS } from "../call.ts";
import { type JsonSchema, toJsonSchema } from "./json-schema.ts";

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required: boolean;
  readonly description?: string;
  readonly schema: JsonSchema;
}

interface Content {
  readonly [type: string]: { readonly schema: JsonSchema };
}

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly [string];
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
  readonly security: readonly [{ readonly token: readonly string[] }];
  readonly "x-seedcore": {
    readonly service: string;
    readonly procedure: string;
    readonly idempotent: boolean;
    readonly deadlineMs: number;
    readonly scope: string;
    readonly stream: boolean;
    readonly shardBy: string | undefined;
    /** Data of declared errors by code. */
    readonly errors: Readonly<Record<string, JsonSchema>>;
  };
}

export interface OpenApi {
  readonly openapi: "3.1.0";
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: object;
}

export function toOpenApi(contracts: readonly Contract[], version: string): OpenApi {
  const paths: Record<string, Record<string, Operation>> = {};
  for (const contract of contracts) {
    for (const [name, procedure] of Object.entries(contract.procedures)) {
      const path = `/${contract.name}${procedure.path === "/" ? "" : procedure.path}`;
      paths[path] = { ...paths[path], [procedure.method.toLowerCase()]: toOperation(contract, name, procedure) };
    }
  }
  return {
    openapi: "3.1.0",
    info: { title: "SeedCore", version, description: "Every service of this organism, from its contracts." },
    tags: contracts.map(({ name, summary }) => ({ name, description: summary })),
    paths,
    components: {
      schemas: { Problem: PROBLEM },
      securitySchemes: {
        token: {
          type: "http",
          scheme: "bearer",
          bearerFormat: "JWT",
          description: "Scopes: read, operate, approve, admin.",
        },
      },
    },
  };
}

function toOperation(contract: Contract, name: string, procedure: Procedure): Operation {
  const input = toJsonSchema(procedure.input, "input");
  const fields = Object.entries(input.properties ?? {});
  const required = new Set(input.required);
  const inPath = new Set(pathParameters(procedure.path));
  const hasBody = procedure.method === "POST" || procedure.method === "PUT";
  const parameters: Parameter[] = fields
    .filter(([field]) => inPath.has(field) || !hasBody)
    .map(([field, schema]) => ({
      name: field,
      in: inPath.has(field) ? "path" : "query",
      required: inPath.has(field) || required.has(field),
      ...(schema.description === undefined ? {} : { description: schema.description }),
      schema,
    }));
  if (!procedure.idempotent) parameters.push(IDEMPOTENCY_KEY);
  const bodyFields = fields.filter(([field]) => !inPath.has(field));
  const output = toJsonSchema(procedure.output, "output");
  const errors = Object.fromEntries(
    Object.entries(procedure.errors).map(([code, schema]) => [code, toJsonSchema(schema, "output")]),
  );
  return {
    operationId: `${contract.name}.${name}`,
    summary: procedure.summary,
    tags: [contract.name],
    parameters,
    ...(hasBody ? { requestBody: toRequestBody(bodyFields, required) } : {}),
    responses: {
      "200": procedure.stream
        ? { description: "Server-sent events, one value each.", content: { "text/event-stream": { schema: output } } }
        : { description: "The answer.", content: { "application/json": { schema: output } } },
      ...declaredErrors(errors),
      default: {
        description: "A problem: see its code.",
        content: { "application/problem+json": { schema: PROBLEM_REF } },
      },
    },
    security: [{ token: [] }],
    "x-seedcore": {
      service: contract.name,
      procedure: name,
      idempotent: procedure.idempotent,
      deadlineMs: procedure.deadlineMs,
      scope: procedure.scope,
      stream: procedure.stream,
      shardBy: procedure.shardBy,
      errors,
    },
  };
}

function toRequestBody(fields: readonly (readonly [string, JsonSchema])[], required: ReadonlySet<string>) {
  const names = fields.map(([field]) => field).filter((field) => required.has(field));
  const schema: JsonSchema = {
    type: "object",
    properties: Object.fromEntries(fields),
    ...(names.length === 0 ? {} : { required: names }),
  };
  return { required: names.length > 0, content: { "application/json": { schema } } };
}

/** Errors whose codes are the procedure's own travel with status 422. */
function declaredErrors(errors: Readonly<Record<string, JsonSchema>>): Operation["responses"] {
  const codes = Object.keys(errors);
  if (codes.length === 0) return {};
  const each = codes.map(
    (code): JsonSchema => ({
      allOf: [PROBLEM_REF, { type: "object", properties: { code: { const: code }, data: errors[code] ?? {} } }],
    }),
  );
  // Not oneOf: a declared error is a Problem as well, so two of them match.
  const schema = { anyOf: [...each, PROBLEM_REF] };
  return {
    "422": {
      description: `Refused: ${codes.join(", ")}, or an input against the contract.`,
      content: { "application/problem+json": { schema } },
    },
  };
}

const IDEMPOTENCY_KEY: Parameter = {
  name: HEADERS.idempotencyKey,
  in: "header",
  required: false,
  description: "A repeat with the same key and body is answered as the first was, and has no further effect.",
  schema: { type: "string", minLength: 1, maxLength: 200 },
};

const PROBLEM_REF: JsonSchema = { $ref: "#/components/schemas/Problem" };

const PROBLEM = toJsonSchema(
  z.object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z
      .string()
      .describe(`One of ${Object.keys(ERROR_CODES).join(", ")}, or an error that the procedure declares.`),
    retryable: z.boolean().describe("Whether the same call may succeed later, unchanged."),
    started: z.enum(["no", "maybe", "yes"]).describe("Whether the work had begun. Only `no` makes every repeat safe."),
    todo: z.string().optional(),
    data: z.json().optional(),
    retryAfterMs: z.number().optional(),
    correlationId: z.string().optional().describe("Finds the call in the logs."),
  }),
  "output",
);
