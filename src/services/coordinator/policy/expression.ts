/** Conditions in CEL over the signals: checked once when they are loaded, bounded in what they may cost. */
import { type ASTNode, Environment } from "@marcbachmann/cel-js";
import { serialize } from "@marcbachmann/cel-js/serialize";
import { SIGNALS, type Signals } from "./signals.ts";

export interface Condition {
  /** The condition in a form in which equal ones are equal. */
  readonly normal: string;
  /** @throws Error when a signal it needs is not known */
  holds(signals: Signals): boolean;
}

/** What a condition may be: anything a person writes, and nothing that takes long. */
const LIMITS = { maxAstNodes: 500, maxDepth: 40, maxListElements: 200, maxMapEntries: 50, maxCallArguments: 8 };

/** Comprehensions within comprehensions multiply: of lists of a thousand series two are a million steps, three a billion. */
const MACROS: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "filter", "map"]);
const MAX_NESTING = 1;

/** Strings that grow by being multiplied or matched by patterns are not for conditions. */
const FORBIDDEN: ReadonlySet<string> = new Set(["matches"]);

const COMPARE = {
  "<": (a: unknown, b: unknown) => Number(a) < Number(b),
  "<=": (a: unknown, b: unknown) => Number(a) <= Number(b),
  ">": (a: unknown, b: unknown) => Number(a) > Number(b),
  ">=": (a: unknown, b: unknown) => Number(a) >= Number(b),
  "==": (a: unknown, b: unknown) => Number(a) === Number(b),
  "!=": (a: unknown, b: unknown) => Number(a) !== Number(b),
} as const;

const environment = new Environment({ unlistedVariablesAreDyn: false, limits: LIMITS });
for (const [name, group] of Object.entries(SIGNALS)) {
  const schema = Object.fromEntries(Object.entries(group).map(([field, { type }]) => [field, type]));
  environment.registerVariable({ name, schema });
}
// A person writes `cause.ageS >= 15`; the standard wants 15.0 beside a double, and there is nothing to gain by it here.
for (const operator of ["<", "<=", ">", ">=", "==", "!="]) {
  const compare = COMPARE[operator as keyof typeof COMPARE];
  for (const pair of ["double {} int", "int {} double"]) {
    try {
      environment.registerOperator(`${pair.replace("{}", operator)}: bool`, compare);
    } catch {
      // The library has it already.
    }
  }
}

/** @throws Error in words for the person who wrote it */
export function compileCondition(text: string): Condition {
  const parsed = environment.parse(text);
  const checked = parsed.check();
  if (!checked.valid) throw checked.error ?? new Error("it cannot be understood");
  if (checked.type !== "bool" && checked.type !== "dyn") {
    throw new Error(`it is a ${checked.type} where true or false is wanted`);
  }
  refuseCostly(parsed.ast, 0);
  return {
    normal: serialize(parsed.ast),
    holds: (signals) => (parsed(signals) as unknown) === true,
  };
}

function refuseCostly(node: unknown, nesting: number): void {
  if (Array.isArray(node)) {
    for (const part of node) refuseCostly(part, nesting);
    return;
  }
  if (typeof node !== "object" || node === null || !("op" in node)) return;
  const { op, args } = node as ASTNode;
  let within = nesting;
  if (op === "rcall" || op === "call") {
    const [name] = args;
    if (FORBIDDEN.has(name)) throw new Error(`${name}() is not for conditions`);
    if (op === "rcall" && MACROS.has(name)) within++;
    if (within > MAX_NESTING) throw new Error(`${name}() within another one may take for ever: use one`);
  }
  refuseCostly(args, within);
}
