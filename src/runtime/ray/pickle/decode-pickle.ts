import { DEFAULT_LIMITS, type PickleLimits } from "./limits.ts";
import { materialise } from "./materialise.ts";
import { PickleError } from "./pickle-error.ts";
import { PickleMachine } from "./pickle-machine.ts";
import type { RayHandle, RayReference } from "./ray-reference.ts";
import type { PyValue } from "./values.ts";

export interface DecodeOptions {
  /** Makes a handle of each reference to an object or actor, wherever in the value it is. @default the `RayReference` */
  readonly handleOf?: (reference: RayReference) => RayHandle;
  /** Keeps whole floats apart from ints, as `PyFloat`, so that writing gives back what was read. @default false */
  readonly exact?: boolean;
  /** Each one that is named replaces the default of `DEFAULT_LIMITS`. */
  readonly limits?: Partial<PickleLimits>;
}

/**
 * The value of a pickle of protocol 2 to 5. The table at `PyValue` says what becomes what.
 *
 * Nothing is imported, called or looked up by a name from the input: a few calls whose meaning is known become values, the
 * rest is data that says what Python would have done. The result shares no memory with the input.
 *
 * @throws PickleError `malformed`, `unsupported` or `limit`, and whatever `handleOf` throws
 */
export function decodePickle(bytes: Uint8Array, options: DecodeOptions = {}): PyValue {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  if (bytes.length > limits.maxInputBytes) {
    throw new PickleError(
      "limit",
      `A pickle of ${bytes.length} bytes is not read; the limit is ${limits.maxInputBytes}.`,
    );
  }
  const root = new PickleMachine(bytes, limits, options.exact ?? false).run();
  return materialise(root, { limits, handleOf: options.handleOf });
}
