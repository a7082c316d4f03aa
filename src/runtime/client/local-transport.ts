/** Calls to services of the caller's own process, without a socket; the others go on to the next transport. */
import type { OutgoingCall, Transport } from "./transport.ts";

/** What a host offers for calls that stay in it. They obey the contract as those from outside do. */
export interface LocalDispatch {
  /** Whether this process serves the procedure now and, for owned state, owns the shard the call is for. */
  takes(call: OutgoingCall): boolean;
  dispatch(call: OutgoingCall): Promise<unknown>;
  dispatchStream(call: OutgoingCall): AsyncIterable<unknown>;
}

export function createLocalTransport(local: LocalDispatch, next: Transport): Transport {
  return {
    call: (call) => (local.takes(call) ? local.dispatch(call) : next.call(call)),
    stream: (call) => (local.takes(call) ? local.dispatchStream(call) : next.stream(call)),
    isHealthy: (contract) => next.isHealthy(contract),
    close: () => next.close(),
  };
}
