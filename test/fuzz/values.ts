/** Inputs made from a contract's own schema: mostly right, often at an edge, sometimes wrong in one place. */
import { z } from "zod";
import type { Seeded } from "./seeded.ts";

interface Schema {
  readonly type?: string | readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
  readonly additionalProperties?: Schema | boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly format?: string;
  readonly pattern?: string;
}

/** How often a value is replaced by any other, a field left out, or one added. */
const WRONG = 0.04;

const TEXTS = [
  "a",
  "noop",
  "notify",
  "log",
  "default",
  "",
  " ",
  "0",
  "NaN",
  "null",
  "__proto__",
  "constructor",
  "toString",
  "../../etc/passwd",
  "%2f%00",
  "a/b?c#d",
  "\u0000",
  "\u001b[2J\r\nX: y",
  "\u2028",
  "\ud800",
  "😀é",
  "x".repeat(201),
  "y".repeat(5_000),
] as const;

const NUMBERS = [0, -0, 1, -1, 2, 0.5, 10, 100, 1e15, 1e308, -1e308, 5e-324, 2 ** 31, 2 ** 53, -(2 ** 63)] as const;

export function inputFor(schema: z.ZodType, random: Seeded): unknown {
  return valueFor(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Schema, random);
}

function valueFor(schema: Schema, random: Seeded): unknown {
  if (random.chance(WRONG)) return anything(random, 3);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return random.pick(schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return valueFor(random.pick(choices), random);
  const type = typeof schema.type === "string" ? schema.type : random.pick(schema.type ?? ["any"]);
  switch (type) {
    case "object":
      return objectFor(schema, random);
    case "array":
      return schema.prefixItems === undefined
        ? Array.from({ length: random.below(5) }, () => valueFor(schema.items ?? {}, random))
        : schema.prefixItems.map((item) => valueFor(item, random));
    case "string":
      return textFor(schema, random);
    case "integer":
    case "number":
      return numberFor(schema, random, type === "integer");
    case "boolean":
      return random.chance(0.5);
    case "null":
      return null;
    default:
      return anything(random, 3);
  }
}

function objectFor(schema: Schema, random: Seeded): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const isNeeded = schema.required?.includes(name) ?? false;
    if (isNeeded ? !random.chance(WRONG) : random.chance(0.4)) own(made, name, valueFor(field, random));
  }
  const members = typeof schema.additionalProperties === "object" ? random.below(3) : Number(random.chance(WRONG));
  const member = typeof schema.additionalProperties === "object" ? schema.additionalProperties : {};
  for (let i = 0; i < members; i++) own(made, random.pick(TEXTS), valueFor(member, random));
  return made;
}

/** As JSON.parse does: a member named `__proto__` is a member. */
function own(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

function textFor({ format, pattern }: Schema, random: Seeded): string {
  if (format === "uri" && !random.chance(0.2))
    return random.pick(["http://127.0.0.1:1/", "http://10.0.0.1/", "ftp://x"]);
  if (pattern?.includes("[a-z][a-z0-9-]") === true && !random.chance(0.2)) return random.pick(["fuzz-a", "fuzz-b"]);
  return random.pick(TEXTS);
}

function numberFor({ minimum, maximum }: Schema, random: Seeded, isInteger: boolean): number {
  const edges = [minimum, maximum, minimum === undefined ? undefined : minimum - 1].filter(
    (edge) => edge !== undefined,
  );
  const value = edges.length > 0 && random.chance(0.5) ? random.pick(edges) : random.pick(NUMBERS);
  if (random.chance(0.3)) return Date.now();
  return isInteger && random.chance(0.9) ? Math.round(value) : value;
}

function anything(random: Seeded, depth: number): unknown {
  switch (random.below(depth > 0 ? 7 : 5)) {
    case 0:
      return random.pick(NUMBERS);
    case 1:
    case 2:
      return random.pick(TEXTS);
    case 3:
      return null;
    case 4:
      return random.chance(0.5);
    case 5:
      return Array.from({ length: random.below(4) }, () => anything(random, depth - 1));
    default: {
      const made = {};
      for (let i = random.below(3); i > 0; i--) own(made, random.pick(TEXTS), anything(random, depth - 1));
      return made;
    }
  }
}
