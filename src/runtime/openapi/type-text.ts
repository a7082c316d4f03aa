import type { JsonSchema } from "./json-schema.ts";

/** A JSON Schema as people write types: `{ id: string; values: number[] }`, with its limits behind it. */
export function toTypeText(schema: JsonSchema, indent = ""): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.map((choice) => toTypeText(choice, indent)).join(" | ");
  if (Array.isArray(schema.type)) return schema.type.join(" | ");
  switch (schema.type) {
    case "object":
      return objectText(schema, indent);
    case "array":
      return arrayText(schema, indent);
    case undefined:
      return "any";
    default:
      return schema.type;
  }
}

/** Limits and default, for the column beside a type. */
export function toLimits(schema: JsonSchema): string {
  const parts: string[] = [];
  const range = (low: number | undefined, high: number | undefined, unit: string) => {
    if (low !== undefined && high !== undefined) parts.push(`${low} to ${high}${unit}`);
    else if (low !== undefined) parts.push(`at least ${low}${unit}`);
    else if (high !== undefined) parts.push(`at most ${high}${unit}`);
  };
  range(schema.minLength, schema.maxLength, " characters");
  range(schema.minItems, schema.maxItems, " items");
  range(schema.minimum, schema.maximum, "");
  if (schema.exclusiveMinimum !== undefined) parts.push(`above ${schema.exclusiveMinimum}`);
  if (schema.pattern !== undefined) parts.push(`matches ${schema.pattern}`);
  if (schema.default !== undefined) parts.push(`default ${JSON.stringify(schema.default)}`);
  return parts.join(", ");
}

function objectText({ properties = {}, required = [], additionalProperties }: JsonSchema, indent: string): string {
  const inner = `${indent}  `;
  const lines = Object.entries(properties).map(
    ([name, member]) => `${inner}${name}${required.includes(name) ? "" : "?"}: ${toTypeText(member, inner)};`,
  );
  if (typeof additionalProperties === "object") {
    const member = toTypeText(additionalProperties, inner);
    if (lines.length === 0) return `{ [name: string]: ${member} }`;
    lines.push(`${inner}[name: string]: ${member};`);
  }
  return lines.length === 0 ? "{}" : `{\n${lines.join("\n")}\n${indent}}`;
}

function arrayText({ items, prefixItems }: JsonSchema, indent: string): string {
  if (prefixItems !== undefined) return `[${prefixItems.map((item) => toTypeText(item, indent)).join(", ")}]`;
  const member = typeof items === "object" ? toTypeText(items, indent) : "any";
  return /^[\w{[]/.test(member) && !member.includes(" | ") ? `${member}[]` : `(${member})[]`;
}
