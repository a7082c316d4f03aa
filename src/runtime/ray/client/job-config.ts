import { PyCall, type PyDict, PyGlobal } from "../pickle/values.ts";
import { toPickle } from "./wire-pickle.ts";

/**
 * The pickled `JobConfig` of a session with a runtime environment of its own. Unlike the same in `ray.init`'s arguments
 * it also holds for the session's server process, which then can import what is in it, and a bad one fails at once.
 */
export function toJobConfig(namespace: string, runtimeEnv: PyDict): Uint8Array {
  const isClientJob = true;
  return toPickle(
    new PyCall(new PyGlobal("ray.job_config", "JobConfig"), [null, null, runtimeEnv, isClientJob, {}, namespace]),
  );
}
