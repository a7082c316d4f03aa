import { describe, expect, it } from "vitest";
import { InertGlobal, InertObject } from "../pickle/inert.ts";
import { PythonError } from "../pickle/python-error.ts";
import { fromRefusal, fromTaskFailure, isFailure, isPythonException } from "./python-failure.ts";

function pythonError(type: string, message: string, more: { cause?: PythonError; args?: PythonError[] } = {}) {
  const dot = type.lastIndexOf(".");
  const callable = new InertGlobal(type.slice(0, dot), type.slice(dot + 1));
  const source = new InertObject({ callable, args: more.args ?? [] });
  return new PythonError(source, { type, message, cause: more.cause, traceback: more.cause && "File x, line 1" });
}

const ray = (name: string, message = "", more = {}) => pythonError(`ray.exceptions.${name}`, message, more);

describe("fromTaskFailure", () => {
  it("gives what Python raised, with its traceback", () => {
    const error = fromTaskFailure(ray("RayTaskError", "…", { cause: pythonError("builtins.ValueError", "bad") }), "f");
    expect(isPythonException(error)).toBe(true);
    expect(error.message).toBe("f raised ValueError: bad");
    expect(error.data).toEqual({ exception: "builtins.ValueError", message: "bad", traceback: "File x, line 1" });
  });

  // Of an exception its arguments travel, and not what its class makes of them: "('Expecting value', '{x', 1)".
  it.each([
    [
      "json.decoder.JSONDecodeError",
      "('Expecting value', 1)",
      "Expecting value: line 1 column 2",
      "Expecting value: line 1 column 2",
    ],
    ["builtins.SyntaxError", "bad (f.py, line 1)", "bad", "bad (f.py, line 1)"],
    ["builtins.ValueError", "two\nlines", "two\nlines", "two\nlines"],
    ["m.Odd", "('x', 2)", "", "('x', 2)"],
  ])("says of %s what Python said", (type, message, told, said) => {
    const source = new InertObject({ callable: new InertGlobal("ray.exceptions", "RayTaskError"), args: [] });
    const traceback = `Traceback:\n  File x, line 1\n${type.replace("builtins.", "")}: ${told}\n`;
    const cause = pythonError(type, message);
    const error = fromTaskFailure(
      new PythonError(source, { type: "ray.exceptions.RayTaskError", message: "…", cause, traceback }),
      "f",
    );
    expect(error.data).toMatchObject({ exception: type, message: said });
    expect(error.message).toMatch(new RegExp(`^f raised \\w+: `));
  });

  it("gives Ray's own failure inside a task its own code", () => {
    const error = fromTaskFailure(ray("RayTaskError", "", { cause: ray("TaskCancelledError") }), "f");
    expect([error.code, error.started]).toEqual(["CANCELLED", "maybe"]);
  });

  // `started` decides whether a caller repeats: "no" for something that ran would run it twice.
  it.each([
    [ray("ActorDiedError", "The actor is dead because it was killed by `ray.kill`."), "ACTOR_DIED", "maybe", false],
    [
      ray("ActorDiedError", "x\nThe actor never ran - it was cancelled before it started running."),
      "ACTOR_DIED",
      "no",
      false,
    ],
    [ray("ActorUnavailableError", "RpcError: Socket closed"), "CONNECTION_LOST", "maybe", true],
    [ray("ActorUnavailableError", "IOError: The actor is restarting."), "UNAVAILABLE", "no", true],
    [ray("WorkerCrashedError"), "CONNECTION_LOST", "maybe", true],
    [ray("OwnerDiedError"), "CONNECTION_LOST", "maybe", true],
    [ray("RuntimeEnvSetupError", "no zip"), "INVALID_INPUT", "no", false],
    [ray("GetTimeoutError"), "DEADLINE", "maybe", true],
    [ray("OutOfMemoryError"), "OVERLOADED", "maybe", true],
    [ray("PendingCallsLimitExceeded"), "OVERLOADED", "no", true],
    [ray("SomethingOfALaterRay"), "PYTHON_EXCEPTION", "maybe", false],
  ])("reads %s", (raised, code, started, retryable) => {
    const error = fromTaskFailure(raised, "f");
    expect([error.code, error.started, error.retryable]).toEqual([code, started, retryable]);
  });

  // "f failed: WorkerCrashedError: ", and of the other what could not be read of it: "<InertObject>".
  it.each([
    [ray("WorkerCrashedError"), "its process ended"],
    [ray("TaskCancelledError", "<InertObject>"), "it was cancelled"],
  ])("says itself what Ray has no words for", (raised, said) => {
    expect(fromTaskFailure(raised, "f").message).toContain(`: ${said}`);
    expect(fromTaskFailure(raised, "f").message).not.toContain("Inert");
  });

  it("says that no method ran of an actor whose constructor raised", () => {
    const reason = ray("RayTaskError", "", { cause: pythonError("builtins.KeyError", "'x'") });
    const error = fromTaskFailure(ray("ActorDiedError", "…", { args: [reason] }), "f");
    expect([error.code, error.started]).toEqual(["PYTHON_EXCEPTION", "no"]);
    expect(error.data).toMatchObject({ exception: "builtins.KeyError" });
  });
});

describe("isFailure", () => {
  it("leaves alone an exception that a function returned", () => {
    expect(isFailure(pythonError("builtins.ValueError", ""))).toBe(false);
    expect(isFailure(ray("RayTaskError"))).toBe(true);
  });
});

describe("fromRefusal", () => {
  it.each([
    [pythonError("builtins.ValueError", "Failed to look up actor with name 'x'."), "NOT_FOUND"],
    [pythonError("builtins.KeyError", "b'x'"), "NOT_FOUND"],
    [pythonError("builtins.ModuleNotFoundError", "No module named 'x'"), "NOT_FOUND"],
    [pythonError("builtins.TypeError", "too many positional arguments"), "INVALID_INPUT"],
    [ray("ActorAlreadyExistsError"), "CONFLICT"],
    [null, "INVALID_INPUT"],
  ])("reads %s as not started", (refused, code) => {
    const error = fromRefusal(refused, "f");
    expect([error.code, error.started]).toEqual([code, "no"]);
  });

  // `decimal.InvalidOperation` and `queue.Empty` are exceptions too, whatever their names are like.
  it("gives the reason also by an exception of any name", () => {
    const refused = new InertObject({ callable: new InertGlobal("decimal", "InvalidOperation"), args: ["no number"] });
    expect(fromRefusal(refused, "putting an object").message).toContain("InvalidOperation: no number");
  });
});
