import type { PyValue } from "./values.ts";

/** The name of a class or function, and nothing behind it: nothing is imported. */
export class InertGlobal {
  readonly module: string;
  readonly name: string;

  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }
}

/**
 * What Python would have made by a call, as data: nothing is called. An enum member has its value in `args`, a dataclass
 * its fields in `state`, an OrderedDict its pairs in `entries`.
 */
export class InertObject {
  /** What would have been called: usually the class, for a class shipped by value the call that would have made it. */
  readonly callable: Inert;
  /** `new` where Python would skip `__init__`: `cls.__new__(cls, *args)`. */
  readonly how: "call" | "new";
  readonly args: readonly PyValue[];
  /** Named arguments, where there are any. */
  readonly kwargs: PyValue | undefined;
  /** Usually the `__dict__`; undefined where there is none. */
  readonly state: PyValue | undefined;
  /** What would have been appended. */
  readonly items: readonly PyValue[];
  /** Pairs that would have been set. */
  readonly entries: readonly (readonly [PyValue, PyValue])[];

  constructor(parts: InertParts) {
    this.callable = parts.callable;
    this.how = parts.how ?? "call";
    this.args = parts.args;
    this.kwargs = parts.kwargs;
    this.state = parts.state;
    this.items = parts.items ?? [];
    this.entries = parts.entries ?? [];
  }

  /** Module of the class, also of one shipped by value; `""` where that is not said. */
  get module(): string {
    return classNameOf(this.callable).module;
  }

  /** Name of the class, also of one shipped by value. */
  get name(): string {
    return classNameOf(this.callable).name;
  }
}

export interface InertParts {
  readonly callable: Inert;
  readonly how?: "call" | "new" | undefined;
  readonly args: readonly PyValue[];
  readonly kwargs?: PyValue | undefined;
  readonly state?: PyValue | undefined;
  readonly items?: readonly PyValue[] | undefined;
  readonly entries?: readonly (readonly [PyValue, PyValue])[] | undefined;
}

export type Inert = InertGlobal | InertObject;

/** cloudpickle's functions that make a class from its parts; the second argument is the name. */
const BY_VALUE = new Set(["_make_skeleton_class", "_make_skeleton_enum"]);

/** Whether this stands for a class that cloudpickle ships by value: `(type, name, bases, attributes, …)`. */
export function isClassByValue(callable: Inert): boolean {
  return (
    callable instanceof InertObject && callable.callable instanceof InertGlobal && BY_VALUE.has(callable.callable.name)
  );
}

/** What a class is called. */
export function classNameOf(callable: Inert): { module: string; name: string } {
  if (callable instanceof InertGlobal) return callable;
  if (!isClassByValue(callable)) return classNameOf(callable.callable);
  const [, name, , attributes] = callable.args;
  const module =
    attributes !== null && typeof attributes === "object" ? Reflect.get(attributes, "__module__") : undefined;
  return { module: typeof module === "string" ? module : "", name: typeof name === "string" ? name : "" };
}

/** Adds what is known only after the object can already be referred to. */
export function completeInert(object: InertObject, parts: Omit<InertParts, "callable" | "how">): void {
  Object.assign(object, parts);
}
