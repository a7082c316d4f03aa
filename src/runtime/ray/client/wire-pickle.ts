/** Pickles as calls of Ray carry them: one that cannot be written or read fails its call as everything else does. */
import { isServiceError, ServiceError } from "#core/service-error.ts";
import { decodePickle } from "../pickle/decode-pickle.ts";
import { encodePickle } from "../pickle/encode-pickle.ts";
import type { RayHandle, RayReference } from "../pickle/ray-reference.ts";
import type { PyValue } from "../pickle/values.ts";
import { fromRefusal } from "./python-failure.ts";

/** @throws ServiceError INVALID_INPUT for what Python has no counterpart of, and whatever a handle in it throws. */
export function toPickle(value: PyValue): Uint8Array {
  try {
    return encodePickle(value);
  } catch (error) {
    if (isServiceError(error)) throw error;
    throw new ServiceError("INVALID_INPUT", `Python cannot be given this value. ${messageOf(error)}`, { cause: error });
  }
}

/** The value of a pickle that a call was answered with. @throws ServiceError BAD_OUTPUT. */
export function fromPickle(what: string, bytes: Uint8Array, handleOf: (reference: RayReference) => RayHandle): PyValue {
  try {
    return decodePickle(bytes, { handleOf });
  } catch (error) {
    if (isServiceError(error)) throw error;
    throw new ServiceError(
      "BAD_OUTPUT",
      `The answer to ${what} cannot be read. ${messageOf(error)} Let Python return plain values, bytes or JSON, and less at once.`,
      { cause: error },
    );
  }
}

/** What Ray's server refused, by its pickled exception. */
export function fromRefusalPickle(what: string, bytes: Uint8Array): ServiceError {
  try {
    return fromRefusal(decodePickle(bytes), what);
  } catch (cause) {
    const message = `Ray refused ${what}, and its reason cannot be read. ${messageOf(cause)}`;
    return new ServiceError("INVALID_INPUT", message, { cause });
  }
}

function messageOf(error: unknown): string {
  return (error as Error).message;
}
