/** A contract as data: what a gateway and the command line know of a service whose code they do not have. */
import { z } from "zod";
import type { Contract, ErrorSchemas, Procedure } from "#core/contract.ts";
import { fromJsonSchema, objectFromJsonSchema, toJsonSchema } from "./openapi/json-schema.ts";

const Schema = z.record(z.string(), z.json());

export const ContractDescription = z.object({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,40}$/),
  summary: z.string(),
  state: z.enum(["none", "sharded", "single"]),
  procedures: z.record(
    z.string(),
    z.object({
      summary: z.string(),
      method: z.enum(["GET", "POST", "PUT", "DELETE"]),
      path: z.templateLiteral(["/", z.string()]),
      /** JSON Schemas. */
      input: Schema,
      output: Schema,
      errors: z.record(z.string(), Schema),
      idempotent: z.boolean(),
      deadlineMs: z.number().positive(),
      scope: z.enum(["read", "operate", "approve", "admin"]),
      shardBy: z.string().nullable(),
      stream: z.boolean(),
    }),
  ),
});
export type ContractDescription = z.output<typeof ContractDescription>;

export function describeContract({ name, summary, state, procedures }: Contract): ContractDescription {
  const described = Object.entries(procedures).map(([procedureName, procedure]) => [
    procedureName,
    {
      ...procedure,
      input: toJsonSchema(procedure.input, "input"),
      output: toJsonSchema(procedure.output, "output"),
      errors: Object.fromEntries(
        Object.entries(procedure.errors).map(([code, schema]) => [code, toJsonSchema(schema, "output")]),
      ),
      shardBy: procedure.shardBy ?? null,
    },
  ]);
  return ContractDescription.parse({ name, summary, state, procedures: Object.fromEntries(described) });
}

/** The contract again. What JSON Schema cannot say of a value is not checked here; the service itself checks it. */
export function fromDescription({ name, summary, state, procedures }: ContractDescription): Contract {
  const declared = Object.entries(procedures).map(([procedureName, { input, output, errors, ...procedure }]) => {
    const schemas: ErrorSchemas = Object.fromEntries(
      Object.entries(errors).map(([code, schema]) => [code, fromJsonSchema(schema)]),
    );
    const known: Procedure = {
      ...procedure,
      shardBy: procedure.shardBy ?? undefined,
      input: objectFromJsonSchema(input),
      output: fromJsonSchema(output),
      errors: schemas,
    };
    return [procedureName, known] as const;
  });
  return { name, summary, state, procedures: Object.fromEntries(declared) };
}
