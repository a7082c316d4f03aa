import type { InertObject } from "./inert.ts";
import type { PyValue } from "./values.ts";

/**
 * An exception that was raised in Python. `message` is what Python would print after the class's name; `cause` is the
 * exception that a Ray task failed with.
 */
export class PythonError extends Error {
  override readonly name = "PythonError";
  /** Module and name of the class: `builtins.ValueError`, `ray.exceptions.RayTaskError`. */
  readonly type: string;
  override readonly cause: PythonError | undefined;
  /** Python's traceback, where it travelled: Ray sends it for whatever fails in a task. */
  readonly traceback: string | undefined;
  /** The exception as it came: class, arguments, state. */
  readonly source: InertObject;

  constructor(source: InertObject, parts: PythonErrorParts) {
    super(parts.message);
    this.type = parts.type;
    this.cause = parts.cause;
    this.traceback = parts.traceback;
    this.source = source;
    // Where it was decoded helps nobody; where Python raised it does.
    this.stack = [`PythonError: ${parts.type}: ${parts.message}`, parts.traceback].filter(Boolean).join("\n");
  }

  /** The exception's arguments. */
  get args(): readonly PyValue[] {
    return this.source.args;
  }
}

export interface PythonErrorParts {
  readonly type: string;
  readonly message: string;
  readonly cause?: PythonError | undefined;
  readonly traceback?: string | undefined;
}
