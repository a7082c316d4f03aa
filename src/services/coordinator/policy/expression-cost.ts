/**
 * The most steps an expression can take, from its parts and the lengths of its lists: conditions have no loops, but lists
 * multiply within lists, and texts and lists that grow would do so without a bound.
 */
import type { ASTNode } from "@marcbachmann/cel-js";
import { SIGNALS } from "./signals.ts";

/** Elements of a signal that is a list, by group and name. */
export type Lengths = (group: string, name: string) => number;

interface Cost {
  readonly steps: number;
  /** Of the value, where it is a list: its length and what it is a list of. */
  readonly length: number;
  readonly element: Cost | undefined;
}

/** What may be called. All else is left out: patterns and zones of time take long, `cel.bind` doubles what it is given. */
const FUNCTIONS: ReadonlySet<string> = new Set(["has", "size", "string", "int", "double"]);
const METHODS: ReadonlySet<string> = new Set([
  "size",
  "startsWith",
  "endsWith",
  "contains",
  "like",
  "lowerAscii",
  "upperAscii",
]);
const MACROS: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "filter", "map"]);

const LEAF: Cost = { steps: 1, length: 0, element: undefined };
type Scope = ReadonlyMap<string, Cost>;

/** @throws Error for what conditions may not do, in words for the person who wrote it */
export function stepsOf(ast: ASTNode, lengths: Lengths): number {
  return costOf(ast, new Map(), lengths).steps;
}

function costOf(node: ASTNode, scope: Scope, lengths: Lengths): Cost {
  const of = (part: ASTNode) => costOf(part, scope, lengths);
  switch (node.op) {
    case "value":
      return LEAF;
    case "id":
      return { ...(scope.get(node.args) ?? LEAF), steps: 1 };
    case ".": {
      const [owner, name] = node.args;
      const length = owner.op === "id" && !scope.has(owner.args) ? lengths(owner.args, name) : 0;
      return { steps: of(owner).steps + 1, length, element: LEAF };
    }
    case "[]": {
      const [owner, index] = node.args.map(of) as [Cost, Cost];
      return { ...(owner.element ?? LEAF), steps: owner.steps + index.steps + 1 };
    }
    case "list": {
      const parts = node.args.map(of);
      return joined(parts, parts.length, parts);
    }
    case "!_":
    case "-_":
      return { ...LEAF, steps: of(node.args).steps + 1 };
    case "?:": {
      const [condition, yes, no] = node.args.map(of) as [Cost, Cost, Cost];
      return { ...widest(yes, no), steps: condition.steps + yes.steps + no.steps + 1 };
    }
    case "call":
      return callCost(node.args[0], node.args[1], of);
    case "rcall":
      return methodCost(node.args, scope, lengths);
    case "map":
    case ".?":
    case "[?]":
      throw new Error("tables and optional values are not for conditions; compare signals one by one");
    default:
      return binaryCost(node.args.map(of) as [Cost, Cost], node.op === "+");
  }
}

/** Operators on lists look at every element; `+` makes a list as long as both. */
function binaryCost(sides: readonly [Cost, Cost], isSum: boolean): Cost {
  const length = sides[0].length + sides[1].length;
  const steps = sides[0].steps + sides[1].steps + 1 + volumeOf(sides[0]) + volumeOf(sides[1]);
  return isSum ? { steps, length, element: widest(...sides).element } : { ...LEAF, steps };
}

function callCost(name: string, args: readonly ASTNode[], of: (part: ASTNode) => Cost): Cost {
  if (!FUNCTIONS.has(name)) throw new Error(notFor(name));
  if (name === "has") return hasCost(args[0]);
  return joined(args.map(of), 0, []);
}

/** The library takes any name here, so that a misspelt one would be false for ever. */
function hasCost(arg: ASTNode | undefined): Cost {
  if (arg?.op !== "." || arg.args[0].op !== "id")
    throw new Error("has() asks for a signal, such as has(system.energy)");
  const group = arg.args[0].args;
  const names = Object.hasOwn(SIGNALS, group) ? Object.keys(SIGNALS[group as keyof typeof SIGNALS]) : [];
  if (!names.includes(arg.args[1]))
    throw new Error(`has(${group}.${arg.args[1]}) asks for no signal; ${group} has ${names.join(", ")}`);
  return LEAF;
}

function methodCost(
  [name, receiver, args]: readonly [string, ASTNode, ASTNode[]],
  scope: Scope,
  lengths: Lengths,
): Cost {
  const of = (part: ASTNode) => costOf(part, scope, lengths);
  if (MACROS.has(name)) return macroCost(name, of(receiver), args, scope, lengths);
  if (!METHODS.has(name)) throw new Error(notFor(name));
  const whole = joined([receiver, ...args].map(of), 0, []);
  if (name !== "like") return whole;
  const [glob] = args;
  if (glob?.op !== "value" || typeof glob.args !== "string" || glob.args.length > MAX_GLOB) {
    throw new Error(`like() wants a pattern that is written out, of at most ${MAX_GLOB} characters`);
  }
  return { ...whole, steps: whole.steps + glob.args.length };
}

const MAX_GLOB = 100;

function macroCost(name: string, list: Cost, args: readonly ASTNode[], scope: Scope, lengths: Lengths): Cost {
  const [variable, ...bodies] = args;
  const element = list.element ?? LEAF;
  const inner = new Map(scope);
  if (variable?.op === "id") inner.set(variable.args, element);
  const costs = bodies.map((body) => costOf(body, inner, lengths));
  const each = costs.reduce((sum, { steps }) => sum + steps, 1);
  const steps = list.steps + 1 + list.length * each;
  if (name === "filter") return { ...list, steps };
  return name === "map" ? { steps, length: list.length, element: costs.at(-1) } : { ...LEAF, steps };
}

/** What its parts take together; as a list, one of the likes of `elements`. */
function joined(parts: readonly Cost[], length: number, elements: readonly Cost[]): Cost {
  return { steps: parts.reduce((sum, part) => sum + part.steps, 1), length, element: elements.reduce(widest, LEAF) };
}

/** As long as the longer of two, at every depth. */
function widest(a: Cost, b: Cost): Cost {
  const element =
    a.element === undefined || b.element === undefined ? (a.element ?? b.element) : widest(a.element, b.element);
  return { steps: Math.max(a.steps, b.steps), length: Math.max(a.length, b.length), element };
}

/** Elements of a list, and of the lists in it. */
function volumeOf({ length, element }: Cost): number {
  return length * Math.max(1, element === undefined ? 0 : volumeOf(element));
}

function notFor(name: string): string {
  const all = [...new Set([...FUNCTIONS, ...METHODS, ...MACROS])].join(", ");
  return `${name}() is not for conditions; there are ${all}`;
}
