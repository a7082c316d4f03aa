import type { PyValue } from "../pickle/values.ts";

/** How long a call may take. */
export interface CallTime {
  /** Default: the client's. `Infinity` is none, which is 24 days. */
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Named arguments of Python and the time of one call. */
export interface RemoteCallOptions extends CallTime {
  readonly kwargs?: Readonly<Record<string, PyValue>>;
}

/** 24 days, the longest that a timer of Node takes; one that is set to more fires at once. `Infinity` means no deadline. */
export const LONGEST_MS = 2 ** 31 - 1;
