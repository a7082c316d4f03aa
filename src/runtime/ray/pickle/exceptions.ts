import { classNameOf, type Inert, InertGlobal, InertObject, isClassByValue } from "./inert.ts";
import { PythonError } from "./python-error.ts";
import { PyTuple, type PyValue } from "./values.ts";

/**
 * The exception that an object stands for; undefined if it is none. Python's own and Ray's are known by name, one that is
 * shipped by value by its bases, and a class of some module, of which nothing travels but the name, by the end of it.
 */
export function toPythonError(object: InertObject): PythonError | undefined {
  if (object.how !== "call" || !isExceptionClass(object.callable)) return undefined;
  return errorOf(object, causeOf(object));
}

/** The exception that an object stands for where it cannot be anything else, whatever its class is called. */
export function errorOf(source: InertObject, cause?: PythonError): PythonError {
  const { module, name } = classNameOf(source.callable);
  return new PythonError(source, {
    type: module === "" ? name : `${module}.${name}`,
    message: messageOf(source, name, cause),
    cause,
    traceback: isTaskError(name) ? textOf(stateOf(source, "traceback_str") ?? source.args[1]) : undefined,
  });
}

const LOOKS_LIKE_EXCEPTION = /(?:Error|Exception|Warning|ExceptionGroup)$/;
const OTHER_BUILTINS = new Set([
  "KeyboardInterrupt",
  "SystemExit",
  "GeneratorExit",
  "StopIteration",
  "StopAsyncIteration",
]);

function isExceptionClass(callable: Inert): boolean {
  if (callable instanceof InertObject) return isClassByValue(callable) && isExceptionByValue(callable);
  const { module, name } = callable;
  if (module === "builtins" && OTHER_BUILTINS.has(name)) return true;
  // ray.exceptions has functions too, whose names begin small.
  return LOOKS_LIKE_EXCEPTION.test(name) || (module === "ray.exceptions" && /^[A-Z]/.test(name));
}

/** Classes with many common bases would else be looked at again on every way to them. */
const byValue = new WeakMap<InertObject, boolean>();

function isExceptionByValue(cls: InertObject): boolean {
  const known = byValue.get(cls);
  if (known !== undefined) return known;
  const [, , bases] = cls.args;
  const answer = bases instanceof PyTuple && bases.items.some((base) => isInert(base) && isExceptionClass(base));
  byValue.set(cls, answer);
  return answer;
}

function isInert(value: PyValue): value is Inert {
  return value instanceof InertGlobal || value instanceof InertObject;
}

/** `RayTaskError`, and the `RayTaskError(ValueError)` that Ray makes of it for Python's `except`. */
function isTaskError(name: string): boolean {
  return name.startsWith("RayTaskError");
}

/** RayTaskError(function_name, traceback_str, cause, …), or what its state says; RayTaskError(ValueError) has only the cause. */
function causeOf(source: InertObject): PythonError | undefined {
  const { name } = source;
  if (!isTaskError(name)) return undefined;
  const cause = stateOf(source, "cause") ?? source.args[name === "RayTaskError" ? 2 : 0];
  if (cause instanceof PythonError) return cause;
  // A task fails with an exception. What it was caused by in turn is not followed.
  return cause instanceof InertObject ? errorOf(cause) : undefined;
}

/** What Python's `str()` of the exception says; for a failed task, what its cause says. */
function messageOf(source: InertObject, name: string, cause: PythonError | undefined): string {
  if (cause !== undefined) return `${cause.type.replace(/^builtins\./, "")}: ${cause.message}`;
  const { args } = source;
  const told = textOf(stateOf(source, "error_msg") ?? stateOf(source, "error_message"));
  if (told !== undefined) return told;
  if (isTaskError(name)) return textOf(args[1])?.trimEnd().split("\n").at(-1) ?? "";
  const [first, second, third] = args;
  if (typeof first === "number" && typeof second === "string") {
    return `[Errno ${first}] ${second}${typeof third === "string" ? `: ${shown(third)}` : ""}`;
  }
  if (name.endsWith("SyntaxError") && second instanceof PyTuple) {
    const [file = null, line = null] = second.items;
    return `${shown(first ?? null, "bare")} (${shown(file, "bare")}, line ${shown(line)})`;
  }
  if (args.length > 1) return `(${args.map((arg) => shown(arg)).join(", ")})`;
  return first === undefined ? "" : shown(first, name === "KeyError" ? "quoted" : "bare");
}

/** A plain value about as Python's `repr()` shows it, or with bare text `str()`; others by their kind. */
function shown(value: PyValue, text: "quoted" | "bare" = "quoted"): string {
  if (typeof value === "string") return text === "bare" ? value : `'${value.slice(0, SHOWN_CHARACTERS)}'`;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "object") return `<${value.constructor.name}>`;
  return String(value).slice(0, SHOWN_CHARACTERS);
}

const SHOWN_CHARACTERS = 1_000;

function stateOf(source: InertObject, key: string): PyValue | undefined {
  const { state } = source;
  const isRecord = typeof state === "object" && state !== null && Object.hasOwn(state, key);
  return isRecord ? ((Reflect.get(state, key) as PyValue | undefined) ?? undefined) : undefined;
}

function textOf(value: PyValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
