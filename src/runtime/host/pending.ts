import type { HostContext } from "./front.ts";

/** What a host's services wait for on the way to being ready: the first of them that is left is told. */
export interface Pending {
  begin(service: string, what: string): void;
  /** Told whoever else is before it: what goes wrong matters more than what is under way. */
  fail(service: string, reason: string): void;
  end(service: string): void;
}

export function createPending(host: Pick<HostContext, "waiting" | "notReady">): Pending {
  const pending = new Map<string, string>();
  let told: string | undefined;
  const tellFirst = () => {
    const [first] = pending.values();
    if (first === undefined || first === told) return;
    told = first;
    host.waiting(first);
  };
  return {
    begin(service, what) {
      pending.set(service, what);
      tellFirst();
    },
    fail(service, reason) {
      pending.set(service, reason);
      told = reason;
      host.notReady(reason);
    },
    end(service) {
      pending.delete(service);
      tellFirst();
    },
  };
}
