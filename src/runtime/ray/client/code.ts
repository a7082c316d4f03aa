import { ServiceError } from "#core/service-error.ts";
import { PyCall, PyGlobal } from "../pickle/values.ts";

/**
 * Python made from source while Ray's server reads it: source, name, file. The file makes tracebacks readable. What it
 * makes lives in `__main__`, so cloudpickle takes it to the workers by value, with all it refers to.
 */
const COMPILE =
  "lambda s, n, f: (lambda g: (exec(compile(s, f, 'exec'), g), " +
  "__import__('linecache').cache.__setitem__(f, (len(s), None, s.splitlines(True), f)), g[n])[2])" +
  "({'__name__': '__main__'})";

/** A function or class from Python source of ours, by its name in it. Never from text of somebody else: it is run. */
function fromSource(source: string, name: string): PyCall {
  return new PyCall(new PyCall(new PyGlobal("builtins", "eval"), [COMPILE]), [source, name, `<seedcore:${name}>`]);
}

/** `"package.module:name"`; the name may have dots, for what is inside a class. */
export type ImportName = `${string}:${string}`;

/**
 * A function that imports the named one where it runs, so that only workers need the module, and Ray's server on the
 * head never loads it. A function under `@ray.remote` is called as the plain one it was.
 */
const TASK_SOURCE = `
def task(module, path):
    def run(*args, **kwargs):
        import functools, importlib, ray
        found = functools.reduce(getattr, path.split("."), importlib.import_module(module))
        if isinstance(found, ray.remote_function.RemoteFunction):
            found = found._function
        return found(*args, **kwargs)
    run.__name__ = run.__qualname__ = path
    return run
`;

/** The named class itself, out of `@ray.remote` where it is in it: Ray's server must know which methods it has. */
const ACTOR_SOURCE = `
def actor(module, path):
    import functools, importlib
    found = functools.reduce(getattr, path.split("."), importlib.import_module(module))
    return getattr(found, "__ray_actor_class__", found)
`;

export function importedTask(path: ImportPath): PyCall {
  return new PyCall(fromSource(TASK_SOURCE, "task"), path);
}

export function importedActor(path: ImportPath): PyCall {
  return new PyCall(fromSource(ACTOR_SOURCE, "actor"), path);
}

/** Module, and the way to the name within it. */
export type ImportPath = readonly [module: string, path: string];

/** @throws ServiceError INVALID_INPUT when it is not `module:name`. */
export function splitImportName(name: ImportName): ImportPath {
  const [module = "", path = "", ...rest] = name.split(":");
  if (!isDotted(module) || !isDotted(path) || rest.length > 0) {
    throw new ServiceError("INVALID_INPUT", `"${name}" cannot be imported: write "package.module:name".`);
  }
  return [module, path];
}

function isDotted(text: string): boolean {
  return /^[\p{L}_][\p{L}\p{N}_]*(\.[\p{L}_][\p{L}\p{N}_]*)*$/u.test(text);
}
