import type { PyValue } from "../pickle/values.ts";

/** How long a call may take. */
export interface CallTime {
  /** Default: the client's. */
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Named arguments of Python and the time of one call. */
export interface RemoteCallOptions extends CallTime {
  readonly kwargs?: Readonly<Record<string, PyValue>>;
}
