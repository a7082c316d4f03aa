/** Conditions in CEL over the signals: checked once when they are loaded, bounded in what they may cost. */
import { type ASTNode, Environment } from "@marcbachmann/cel-js";
import { globPattern } from "../glob.ts";
import { exclusion, normalOf } from "./contradiction.ts";
import { stepsOf } from "./expression-cost.ts";
import { SIGNALS, type Signals } from "./signals.ts";

export interface Condition {
  /** The condition in a form in which equal ones are equal. */
  readonly normal: string;
  /** That it takes at most, on an incident of usual size. */
  readonly usualSteps: number;
  /** @throws Error when a signal it needs is not known */
  holds(signals: Signals): boolean;
}

/** What a condition may be: anything a person writes, and nothing that takes long. */
const LIMITS = { maxAstNodes: 500, maxDepth: 40, maxListElements: 200, maxMapEntries: 50, maxCallArguments: 8 };

/** Elements of each list that a condition must be able to look at, and the steps it may take: some milliseconds. */
const USUAL_LENGTH = 250;
const MAX_STEPS = 100_000;

/** Comprehensions within comprehensions multiply. */
const MACROS: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "filter", "map"]);

const COMPARE = {
  "<": (a: unknown, b: unknown) => Number(a) < Number(b),
  "<=": (a: unknown, b: unknown) => Number(a) <= Number(b),
  ">": (a: unknown, b: unknown) => Number(a) > Number(b),
  ">=": (a: unknown, b: unknown) => Number(a) >= Number(b),
  "==": (a: unknown, b: unknown) => Number(a) === Number(b),
  "!=": (a: unknown, b: unknown) => Number(a) !== Number(b),
} as const;

const ARITHMETIC = {
  "+": (a: unknown, b: unknown) => Number(a) + Number(b),
  "-": (a: unknown, b: unknown) => Number(a) - Number(b),
  "*": (a: unknown, b: unknown) => Number(a) * Number(b),
  "/": (a: unknown, b: unknown) => Number(a) / Number(b),
} as const;

const environment = createEnvironment();

function createEnvironment(): Environment {
  const created = new Environment({ unlistedVariablesAreDyn: false, limits: LIMITS });
  for (const [name, group] of Object.entries(SIGNALS)) {
    const schema = Object.fromEntries(Object.entries(group).map(([field, { type }]) => [field, type]));
    created.registerVariable({ name, schema });
  }
  created.registerFunction("string.like(string): bool", (text: string, glob: string) => globPattern(glob).test(text));
  // A person writes `cause.ageS >= 15` and `now.hour in [1, 2]`; the standard wants 15.0 beside a double, and there is
  // nothing to gain by it here.
  const register = (signature: string, handler: Parameters<Environment["registerOperator"]>[1]) => {
    try {
      created.registerOperator(signature, handler);
    } catch {
      // The library has it already.
    }
  };
  for (const [operator, compare] of Object.entries(COMPARE)) {
    register(`double ${operator} int: bool`, compare);
    register(`int ${operator} double: bool`, compare);
  }
  for (const [operator, calculate] of Object.entries(ARITHMETIC)) {
    register(`double ${operator} int: double`, calculate);
    register(`int ${operator} double: double`, calculate);
  }
  register("double in list<int>: bool", (value: number, list: readonly bigint[]) =>
    list.some((one) => Number(one) === value),
  );
  return created;
}

/** @throws Error in words for the person who wrote it */
export function compileCondition(text: string): Condition {
  const parsed = environment.parse(text);
  const usualSteps = stepsOf(parsed.ast, (group, name) => (isList(group, name) ? USUAL_LENGTH : 0));
  refuseNested(parsed.ast, 0);
  const checked = parsed.check();
  if (!checked.valid) throw explained(checked.error);
  if (checked.type !== "bool") throw new Error(`it is a ${checked.type} where true or false is wanted`);
  const excluding = exclusion(parsed.ast);
  if (excluding !== undefined) {
    const [first, second] = excluding;
    throw new Error(
      `\`${first}\` and \`${second}\` are never true together: leave one of them out, or write || between them`,
    );
  }
  if (usualSteps > MAX_STEPS) {
    throw new Error(
      `it may take ${usualSteps} steps where lists have ${USUAL_LENGTH} elements, and ${MAX_STEPS} are allowed: make it shorter, or two rules of it`,
    );
  }
  return {
    normal: normalOf(parsed.ast),
    usualSteps,
    holds(signals) {
      const steps = isUsual(signals)
        ? usualSteps
        : stepsOf(parsed.ast, (group, name) => lengthOf(signals, group, name));
      if (steps > MAX_STEPS) throw new Error(`its lists are so long that it may take ${steps} steps`);
      return (parsed(signals) as unknown) === true;
    },
  };
}

function isList(group: string, name: string): boolean {
  const signals: Readonly<Record<string, { readonly type: string }>> | undefined = Object.hasOwn(SIGNALS, group)
    ? SIGNALS[group as keyof typeof SIGNALS]
    : undefined;
  return signals !== undefined && Object.hasOwn(signals, name) && signals[name]?.type === "list<string>";
}

const LISTS = Object.entries(SIGNALS).flatMap(([group, names]) =>
  Object.keys(names).flatMap((name) => (isList(group, name) ? [[group, name] as const] : [])),
);

function isUsual(signals: Signals): boolean {
  return LISTS.every(([group, name]) => lengthOf(signals, group, name) <= USUAL_LENGTH);
}

function lengthOf(signals: Signals, group: string, name: string): number {
  if (!isList(group, name)) return 0;
  const value = (signals[group as keyof Signals] as Readonly<Record<string, unknown>>)[name];
  return Array.isArray(value) ? value.length : 0;
}

/** With what there is, where what was written is not. */
function explained(error: Error | undefined): Error {
  const [summary = "it cannot be understood"] = (error?.message ?? "").split("\n");
  const variable = /^Unknown variable: (.*)$/.exec(summary)?.[1];
  if (variable !== undefined)
    return new Error(`there is no "${variable}"; there are ${Object.keys(SIGNALS).join(", ")}`);
  const key = /^No such key: (.*)$/.exec(summary)?.[1];
  const group = Object.entries(SIGNALS).find(([name]) => error !== undefined && mentions(error, name));
  if (key === undefined || group === undefined) return new Error(summary);
  return new Error(`${group[0]} has no "${key}"; it has ${Object.keys(group[1]).join(", ")}`);
}

/** Whether the part at fault is of this group. */
function mentions(error: Error, group: string): boolean {
  const { node } = error as { node?: { args?: unknown } };
  const [owner] = Array.isArray(node?.args) ? (node.args as readonly unknown[]) : [];
  return typeof owner === "object" && owner !== null && "op" in owner && "args" in owner && owner.args === group;
}

function refuseNested(node: unknown, nesting: number): void {
  if (Array.isArray(node)) {
    for (const part of node) refuseNested(part, nesting);
    return;
  }
  if (typeof node !== "object" || node === null || !("op" in node)) return;
  const { op, args } = node as ASTNode;
  if (op !== "rcall" || !MACROS.has(args[0])) {
    refuseNested(args, nesting);
    return;
  }
  const [name, list, bodies] = args;
  if (nesting > 0) throw new Error(`${name}() within another one may take for ever: use one`);
  // One after the other is no nesting: `series.filter(…).exists(…)`.
  refuseNested(list, nesting);
  refuseNested(bodies, nesting + 1);
}
