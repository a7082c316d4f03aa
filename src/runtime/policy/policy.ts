/** The seam for resilience: a policy wraps a call of one link. Breakers, budgets and limits go here, nowhere else. */
import type { OutgoingCall } from "../client/transport.ts";

/**
 * Wraps one call. A unary call ends with its answer or its error. A stream ends, as a policy sees it, once it is open: with
 * the head of its answer or its error; what happens after that, however long it lasts, is its reader's.
 */
export type Policy = <T>(call: OutgoingCall, next: (call: OutgoingCall) => Promise<T>) => Promise<T>;
