/** Conditions that are the same however they are written, and those that can never be true. No solver: by their parts alone. */
import type { ASTNode } from "@marcbachmann/cel-js";
import { serialize } from "@marcbachmann/cel-js/serialize";
import { SIGNALS } from "./signals.ts";

/** Operators that compare, and what each is with its sides exchanged. */
const TURNED: Readonly<Record<string, string>> = { "<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!=" };

/** A form in which conditions are equal that differ in spaces, brackets, repeats, or the order of `&&`, `||` and sides. */
export function normalOf(node: ASTNode): string {
  if (node.op === "&&" || node.op === "||") {
    const parts = [...new Set(partsOf(node, node.op).map(normalOf))].sort();
    return parts.length === 1 ? (parts[0] as string) : `(${parts.join(` ${node.op} `)})`;
  }
  if (node.op === "!_") return `!(${normalOf(node.args)})`;
  if (node.op === "value" && isNumber(node.args)) return String(Number(node.args));
  const compared = comparisonOf(node);
  if (compared === undefined) return serialize(node);
  const left = normalOf(compared.left);
  const right = normalOf(compared.right);
  const turned = TURNED[compared.operator] as string;
  return left <= right ? `(${left} ${compared.operator} ${right})` : `(${right} ${turned} ${left})`;
}

/** Two parts of a condition, as they are written, that are never true together: one of them is the other's opposite, or both are about one signal. */
export function exclusion(condition: ASTNode): readonly [string, string] | undefined {
  const parts = partsOf(condition, "&&");
  const written = new Map(parts.map((part) => [normalOf(part), serialize(part)]));
  for (const [normal, text] of written) {
    const opposite = written.get(`!(${normal})`);
    if (opposite !== undefined) return [text, opposite];
  }
  const demands = parts.flatMap((part) => demandOf(part) ?? []);
  for (const [i, demand] of demands.entries()) {
    const other = demands.slice(0, i).find((before) => before.signal === demand.signal && excludes(before, demand));
    if (other !== undefined) return [other.text, demand.text];
  }
  return undefined;
}

type Value = string | number | boolean;

/** What one part of a condition wants of one signal: one of some values, another than one, or a number beyond a bound. */
type Demand = { readonly signal: string; readonly text: string } & (
  | { readonly kind: "in"; readonly values: readonly Value[] }
  | { readonly kind: "not"; readonly value: Value }
  | { readonly kind: "above" | "below"; readonly bound: number; readonly isIncluded: boolean }
);

function excludes(a: Demand, b: Demand): boolean {
  if (a.kind === "in") return !a.values.some((value) => accepts(b, value));
  if (b.kind === "in") return excludes(b, a);
  if (a.kind === "below" && b.kind === "above") return excludes(b, a);
  if (a.kind !== "above" || b.kind !== "below") return false;
  return a.bound > b.bound || (a.bound === b.bound && !(a.isIncluded && b.isIncluded));
}

function accepts(demand: Demand, value: Value): boolean {
  if (demand.kind === "in") return demand.values.includes(value);
  if (demand.kind === "not") return demand.value !== value;
  if (typeof value !== "number") return false;
  if (value === demand.bound) return demand.isIncluded;
  return demand.kind === "above" ? value > demand.bound : value < demand.bound;
}

function demandOf(node: ASTNode): Demand | undefined {
  const text = serialize(node);
  const negated = node.op === "!_" ? signalOf(node.args) : undefined;
  if (negated !== undefined) return { signal: negated, text, kind: "in", values: [false] };
  const plain = signalOf(node);
  if (plain !== undefined) return { signal: plain, text, kind: "in", values: [true] };
  if (node.op === "in") {
    const [owner, list] = node.args;
    const signal = signalOf(owner);
    const values = list.op === "list" ? list.args.map(literalOf) : [];
    if (signal === undefined || list.op !== "list" || !values.every((value) => value !== undefined)) return undefined;
    return { signal, text, kind: "in", values };
  }
  const compared = comparisonOf(node);
  return compared && comparedTo(compared, text);
}

function comparedTo({ left, operator, right }: Comparison, text: string): Demand | undefined {
  const signal = signalOf(left);
  const value = literalOf(right);
  if (signal === undefined || value === undefined) {
    const isTurned = signalOf(right) !== undefined && literalOf(left) !== undefined;
    return isTurned ? comparedTo({ left: right, operator: TURNED[operator] as string, right: left }, text) : undefined;
  }
  if (operator === "==") return { signal, text, kind: "in", values: [value] };
  if (operator === "!=") return { signal, text, kind: "not", value };
  if (typeof value !== "number") return undefined;
  const kind = operator.startsWith(">") ? "above" : "below";
  return { signal, text, kind, bound: value, isIncluded: operator.endsWith("=") };
}

interface Comparison {
  readonly left: ASTNode;
  readonly operator: string;
  readonly right: ASTNode;
}

function comparisonOf(node: ASTNode): Comparison | undefined {
  if (!Object.hasOwn(TURNED, node.op)) return undefined;
  const [left, right] = node.args as [ASTNode, ASTNode];
  return { left, operator: node.op, right };
}

/** The sides of a chain of one operator, however it is bracketed. */
function partsOf(node: ASTNode, operator: "&&" | "||"): ASTNode[] {
  return node.op === operator ? node.args.flatMap((side) => partsOf(side, operator)) : [node];
}

/** `cause.ageS`; undefined for anything else. A variable of a macro may have a group's name, but is within the macro. */
function signalOf(node: ASTNode): string | undefined {
  if (node.op !== "." || node.args[0].op !== "id") return undefined;
  const [{ args: group }, name] = node.args;
  return Object.hasOwn(SIGNALS, group) ? `${group}.${name}` : undefined;
}

function literalOf(node: ASTNode): Value | undefined {
  if (node.op === "-_") {
    const value = literalOf(node.args);
    return typeof value === "number" ? -value : undefined;
  }
  if (node.op !== "value") return undefined;
  const value: unknown = node.args;
  if (isNumber(value)) return Number(value);
  return typeof value === "string" || typeof value === "boolean" ? value : undefined;
}

const isNumber = (value: unknown): value is number | bigint => typeof value === "number" || typeof value === "bigint";
