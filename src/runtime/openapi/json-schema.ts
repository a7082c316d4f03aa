import { z } from "zod";

/** What of JSON Schema the descriptions use. */
export interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly $ref?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly pattern?: string;
  readonly [keyword: string]: unknown;
}

/** What schemas were made from. There and back through zod, equal schemas would be written differently. */
const origins = new WeakMap<z.ZodType, JsonSchema>();

/** A schema that checks what `json` says, as far as zod can; described again, it is `json`. */
export function fromJsonSchema(json: JsonSchema): z.ZodType {
  const schema = toZod(json);
  origins.set(schema, json);
  return schema;
}

/** The same for an object. */
export function objectFromJsonSchema(json: JsonSchema): z.ZodObject {
  const fields = Object.entries(json.properties ?? {}).map(([field, of]) => {
    const schema = fromJsonSchema(of);
    return [field, json.required?.includes(field) ? schema : schema.optional()] as const;
  });
  const schema = z.object(Object.fromEntries(fields));
  origins.set(schema, json);
  return schema;
}

function toZod(json: JsonSchema): z.ZodType {
  try {
    const schema = z.fromJSONSchema(json as Parameters<typeof z.fromJSONSchema>[0]);
    // A name of its own, so that the origin is of this one schema.
    return schema.meta({});
  } catch {
    // A keyword that zod does not know.
    return z.any();
  }
}

/**
 * A schema as JSON Schema 2020-12, as OpenAPI 3.1 has it. What cannot be said in it allows anything, and so does the
 * place where a schema contains itself: references would be to the wrong document.
 */
export function toJsonSchema(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  const origin = origins.get(schema);
  if (origin !== undefined) return origin;
  const converted = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
    override({ zodSchema, jsonSchema }) {
      // Written out, "any JSON" is six alternatives that say no more than "anything".
      if (zodSchema._zod.def.type === "lazy") for (const keyword of Object.keys(jsonSchema)) delete jsonSchema[keyword];
      // The bounds of exact integers in JavaScript are nothing to tell a caller.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      // Answers may gain fields.
      if (io === "output" && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
      delete jsonSchema.propertyNames;
    },
  });
  const { $schema: _dialect, $defs: definitions = {}, ...root } = converted as JsonSchema & { $defs?: Definitions };
  return inlined(root, definitions, []) as JsonSchema;
}

type Definitions = Readonly<Record<string, unknown>>;

function inlined(value: unknown, definitions: Definitions, within: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((member) => inlined(member, definitions, within));
  if (typeof value !== "object" || value === null) return value;
  const { $ref } = value as JsonSchema;
  if ($ref !== undefined) {
    const name = $ref.replace("#/$defs/", "");
    return within.includes(name) || $ref === "#" ? {} : inlined(definitions[name], definitions, [...within, name]);
  }
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, inlined(member, definitions, within)]));
}
