import type { ErrorCode, Started } from "#core/error-codes.ts";
import { isServiceError, ServiceError } from "#core/service-error.ts";
import { errorOf } from "../pickle/exceptions.ts";
import { InertObject } from "../pickle/inert.ts";
import { PythonError } from "../pickle/python-error.ts";
import type { PyValue } from "../pickle/values.ts";

/** What `data` of a PYTHON_EXCEPTION holds. */
export interface PythonExceptionData {
  /** Module and name of the class, such as `builtins.ValueError`. */
  readonly exception: string;
  readonly message: string;
  /** Python's own text, with files and lines; missing where Ray sent none. */
  readonly traceback?: string;
}

/** Whether a call failed because Python code raised, and not Ray or the connection. */
export function isPythonException(error: unknown): error is ServiceError & { readonly data: PythonExceptionData } {
  return isServiceError(error) && error.code === "PYTHON_EXCEPTION";
}

const RAY_EXCEPTIONS = "ray.exceptions.";

/**
 * Whether a value that Ray answered with stands for the failure of the task. Ray hands both over alike; an exception of
 * another module is a value that a function returned.
 */
export function isFailure(error: PythonError): boolean {
  return error.type.startsWith(RAY_EXCEPTIONS);
}

type Outcome = readonly [ErrorCode, Started];

const BROKEN: Outcome = ["CONNECTION_LOST", "maybe"];

/** What Ray's own exceptions mean to a caller. */
const OUTCOMES: Readonly<Record<string, Outcome>> = {
  TaskCancelledError: ["CANCELLED", "maybe"],
  AsyncioActorExit: ["ACTOR_DIED", "maybe"],
  RayActorError: ["ACTOR_DIED", "maybe"],
  ActorDiedError: ["ACTOR_DIED", "maybe"],
  ActorUnavailableError: BROKEN,
  WorkerCrashedError: BROKEN,
  LocalRayletDiedError: BROKEN,
  NodeDiedError: BROKEN,
  RpcError: BROKEN,
  // The work was done; its result is gone with the process or node that had it.
  ObjectLostError: BROKEN,
  ObjectFetchTimedOutError: BROKEN,
  ObjectFreedError: BROKEN,
  OwnerDiedError: BROKEN,
  ObjectReconstructionFailedError: BROKEN,
  OutOfMemoryError: ["OVERLOADED", "maybe"],
  ObjectStoreFullError: ["OVERLOADED", "maybe"],
  OutOfDiskError: ["OVERLOADED", "maybe"],
  PendingCallsLimitExceeded: ["OVERLOADED", "no"],
  GetTimeoutError: ["DEADLINE", "maybe"],
  RuntimeEnvSetupError: ["INVALID_INPUT", "no"],
  TaskUnschedulableError: ["UNAVAILABLE", "no"],
  ActorUnschedulableError: ["UNAVAILABLE", "no"],
  TaskPlacementGroupRemoved: ["UNAVAILABLE", "no"],
  ActorPlacementGroupRemoved: ["UNAVAILABLE", "no"],
  ActorAlreadyExistsError: ["CONFLICT", "no"],
};

/** The failure of a task or of an actor's method as the one error that callers know. `what` names the call. */
export function fromTaskFailure(error: PythonError, what: string): ServiceError {
  const name = error.type.startsWith(RAY_EXCEPTIONS) ? error.type.slice(RAY_EXCEPTIONS.length) : "";
  const { cause } = error;
  if (name === "RayTaskError") {
    if (cause !== undefined && isFailure(cause)) return fromTaskFailure(cause, what);
    return raised(cause ?? error, what, "yes", error.traceback);
  }
  // An actor whose constructor raised: none of its methods has run.
  const [reason] = error.args;
  if (name === "ActorDiedError" && reason instanceof PythonError) {
    return raised(reason.cause ?? reason, what, "no", reason.traceback);
  }
  const outcome = OUTCOMES[name];
  if (outcome === undefined) return raised(error, what, "maybe", error.traceback);
  const [code, started] = neverRan(name, error.message) ? notRun(outcome) : outcome;
  return new ServiceError(code, `${what} failed: ${name}: ${SAID[name] ?? error.message}`, { started, cause: error });
}

/** Of these no words travel, or only an id. */
const SAID: Readonly<Record<string, string>> = {
  WorkerCrashedError: "its process ended: it was killed, ran out of memory, or called sys.exit.",
  TaskCancelledError: "it was cancelled, or raised KeyboardInterrupt.",
};

/** Ray says in words whether a call can have reached its actor. */
function neverRan(name: string, message: string): boolean {
  if (name === "ActorUnavailableError") return message.includes("The actor is restarting");
  return name.startsWith("Actor") && message.includes("The actor never ran");
}

function notRun([code]: Outcome): Outcome {
  return [code === "CONNECTION_LOST" ? "UNAVAILABLE" : code, "no"];
}

function raised(error: PythonError, what: string, started: Started, traceback: string | undefined): ServiceError {
  const text = traceback ?? error.traceback;
  const message = wordsOf(error, text);
  const data: PythonExceptionData = {
    exception: error.type,
    message,
    ...(text === undefined ? {} : { traceback: text }),
  };
  const name = error.type.slice(error.type.lastIndexOf(".") + 1);
  return new ServiceError("PYTHON_EXCEPTION", `${what} raised ${name}: ${message}`, {
    started,
    data,
    cause: error,
  });
}

/** What Python's own `str()` of it was, where the traceback ends with it: the arguments, which came, do not always tell. */
function wordsOf({ type, message }: PythonError, traceback = ""): string {
  const name = type.replace(/^(builtins|__main__)\./, "");
  const last = traceback.trimEnd().split("\n").at(-1) ?? "";
  const told = last.startsWith(`${name}: `) ? last.slice(name.length + 2) : "";
  return message.startsWith(told) ? message : told;
}

/** What Ray's server refused before anything ran: an unknown name, option, argument or reference. */
export function fromRefusal(refused: PyValue, what: string): ServiceError {
  const error = refused instanceof InertObject ? errorOf(refused) : refused;
  if (!(error instanceof PythonError)) {
    return new ServiceError("INVALID_INPUT", `Ray refused ${what}, and gave no reason.`);
  }
  const name = error.type.slice(error.type.lastIndexOf(".") + 1);
  const refusal = (code: ErrorCode, message: string) =>
    new ServiceError(code, `${what} was refused: ${message}`, {
      started: "no",
      cause: error,
      data: { exception: error.type, message: error.message } satisfies PythonExceptionData,
    });
  if (error.message.includes("Failed to look up actor")) return refusal("NOT_FOUND", "no actor has this name.");
  if (name === "KeyError") return refusal("NOT_FOUND", "Ray does not know it, or no longer.");
  if (name === "ModuleNotFoundError" || name === "ImportError") {
    const hint =
      "Ray's server on the head must be able to import it: give the session a `runtimeEnv` with it, or put it into the image.";
    return refusal("NOT_FOUND", `${error.message}. ${hint}`);
  }
  const outcome = OUTCOMES[name];
  if (outcome !== undefined) return refusal(outcome[0], `${name}: ${error.message}`);
  return refusal("INVALID_INPUT", `${name}: ${error.message}`);
}
