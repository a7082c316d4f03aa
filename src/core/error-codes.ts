/**
 * The one table of error codes: what each means to a caller, whichever hop it comes from. `docs/errors.md` repeats it
 * and a test compares the two.
 */

/** Whether the work behind a failed call had begun. Only `no` makes a repeat safe for a call that is not idempotent. */
export type Started = "no" | "maybe" | "yes";

export interface ErrorCodeInfo {
  /** HTTP status of the problem document. */
  readonly status: number;
  /** Whether the same call may succeed later, unchanged. */
  readonly retryable: boolean;
  readonly started: Started;
  /** What the caller should do, one sentence. */
  readonly todo: string;
}

export const ERROR_CODES = {
  INVALID_INPUT: {
    status: 422,
    retryable: false,
    started: "no",
    todo: "Correct what the message names and send it again.",
  },
  MALFORMED: {
    status: 400,
    retryable: false,
    started: "no",
    todo: "Correct what the message names: address, header or body.",
  },
  TOO_LARGE: { status: 413, retryable: false, started: "no", todo: "Send less in one call." },
  UNAUTHENTICATED: {
    status: 401,
    retryable: false,
    started: "no",
    todo: "Send a valid token: `Authorization: Bearer …`.",
  },
  FORBIDDEN: { status: 403, retryable: false, started: "no", todo: "Use a token that carries the named scope." },
  MISDIRECTED: {
    status: 421,
    retryable: false,
    started: "no",
    todo: "Use an allowed host name, or add it to the gateway's list.",
  },
  NOT_FOUND: { status: 404, retryable: false, started: "no", todo: "Check the name; list what there is." },
  METHOD_NOT_ALLOWED: { status: 405, retryable: false, started: "no", todo: "Use a method the contract declares." },
  UNSUPPORTED: {
    status: 501,
    retryable: false,
    started: "no",
    todo: "Use a version of the other side that is supported.",
  },
  CONFLICT: { status: 409, retryable: false, started: "yes", todo: "Read the present state and decide again." },
  KEY_REUSED: { status: 422, retryable: false, started: "no", todo: "Use a new idempotency key for another request." },
  KEY_IN_PROGRESS: {
    status: 409,
    retryable: true,
    started: "yes",
    todo: "Wait; the first call with this key still runs.",
  },
  OUTCOME_UNKNOWN: {
    status: 409,
    retryable: false,
    started: "maybe",
    todo: "Look at the effect before you repeat it under a new key.",
  },
  EXPIRED: {
    status: 504,
    retryable: false,
    started: "no",
    todo: "Allow more time: the deadline had passed before the work began.",
  },
  DEADLINE: { status: 504, retryable: true, started: "maybe", todo: "Allow more time, or ask for less in one call." },
  CANCELLED: { status: 499, retryable: false, started: "maybe", todo: "The caller went away; nothing to do." },
  OVERLOADED: { status: 503, retryable: true, started: "no", todo: "Wait for `retryAfterMs`, or scale the host." },
  DRAINING: { status: 503, retryable: true, started: "no", todo: "Call another replica." },
  NOT_READY: { status: 503, retryable: true, started: "no", todo: "Wait until the service reports ready." },
  NOT_OWNER: { status: 503, retryable: true, started: "no", todo: "Call the owner of this shard or lease." },
  UNAVAILABLE: {
    status: 503,
    retryable: true,
    started: "no",
    todo: "No replica could be reached; see `seedcore status`.",
  },
  CONNECTION_LOST: {
    status: 502,
    retryable: true,
    started: "maybe",
    todo: "The answer was lost; repeat only what is idempotent.",
  },
  PYTHON_EXCEPTION: {
    status: 500,
    retryable: false,
    started: "yes",
    todo: "Python code raised: `data` has its class, message and traceback.",
  },
  ACTOR_DIED: {
    status: 410,
    retryable: false,
    started: "maybe",
    todo: "Create the actor again; what was in flight may have run.",
  },
  STORAGE: {
    status: 503,
    retryable: true,
    started: "no",
    todo: "Look at the disk and the database; nothing was written.",
  },
  BAD_OUTPUT: {
    status: 500,
    retryable: false,
    started: "yes",
    todo: "A defect: the service broke its own contract. Report it.",
  },
  INTERNAL: {
    status: 500,
    retryable: false,
    started: "maybe",
    todo: "A defect. The log has the cause under this correlation id.",
  },
} as const satisfies Record<string, ErrorCodeInfo>;

export type ErrorCode = keyof typeof ERROR_CODES;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}
