/** Which of several `engine` hosts reconciles: one at a time, by a lock in the registry. */
import { canonicalJson } from "#core/canonical-json.ts";
import { createLock } from "#runtime/engine/ray/lock.ts";
import type { RayEngine } from "#runtime/engine/ray/ray-engine.ts";
import type { Registry } from "#runtime/engine/ray/registry.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";

/** How long the lead is kept for one that is not heard of. */
export const LEAD_MS = 15_000;

type LeadingEngine = Pick<RayEngine, "start" | "status" | "applications" | "renewTokens" | "detach">;

export interface LeadershipDeps {
  readonly registry: Pick<Registry, "acquire" | "release">;
  readonly log: Logger;
  /** The standing is another than it was. */
  changed(): void;
  /** An engine that has not started. */
  makeEngine(): Promise<LeadingEngine>;
}

export type Standing =
  | { readonly kind: "leading" }
  /** Another leads, and this one takes over when that ends. */
  | { readonly kind: "standby" }
  /** It has not been able to lead, and nobody has been found who does. */
  | { readonly kind: "unable"; readonly reason: string };

export interface Leadership {
  readonly standing: Standing;
  /** This host's engine, while it leads. */
  readonly engine: LeadingEngine | undefined;
  /**
   * Takes the lead, keeps it, or gives it up when another has it: a registry that Ray started again has forgotten who had it.
   * To be called well within `LEAD_MS`; an engine that could not begin is tried again with it.
   */
  keep(): Promise<void>;
  /** Gives the lead up for good. */
  end(): Promise<void>;
}

/** From the taking of the lead to its end. */
interface Term {
  state: "beginning" | "leading" | "over";
  engine: LeadingEngine | undefined;
  begun: Promise<void>;
}

export function createLeadership({ registry, log, changed, makeEngine }: LeadershipDeps): Leadership {
  const lock = createLock(registry, "engine", LEAD_MS);
  let term: Term | undefined;
  let hasEnded = false;
  let standing: Standing = { kind: "unable", reason: "it has not taken the lead yet" };

  function become(next: Standing): void {
    const isSame = canonicalJson(next) === canonicalJson(standing);
    standing = next;
    if (!isSame) changed();
  }

  async function begin(mine: Term): Promise<void> {
    try {
      mine.engine = await makeEngine();
      if (mine.state === "beginning") await mine.engine.start();
      if (mine.state === "beginning") await mine.engine.renewTokens();
      if (mine.state === "beginning") mine.state = "leading";
    } catch (error) {
      const reason = `it cannot lead: ${error instanceof Error ? error.message : String(error)}`;
      if (mine.state === "beginning") become({ kind: "unable", reason });
      mine.state = "over";
      log.warn({ err: error }, "this host cannot lead yet; it is tried again");
    }
    if (mine.state === "leading") {
      log.info({}, "this host leads: it follows the desired state");
      return become({ kind: "leading" });
    }
    // Also what it began after it had been detached.
    await mine.engine?.detach();
    if (term === mine) term = undefined;
  }

  async function finish(): Promise<void> {
    const last = term;
    if (last === undefined) return;
    term = undefined;
    last.state = "over";
    await last.engine?.detach();
    await last.begun;
  }

  return {
    get standing() {
      return standing;
    },
    get engine() {
      return term?.state === "leading" ? term.engine : undefined;
    },
    async keep() {
      if (hasEnded) return;
      if (!(await lock.acquire())) {
        if (term !== undefined) log.warn({}, "another host leads: this one no longer follows the desired state");
        await finish();
        return become({ kind: "standby" });
      }
      if (term !== undefined || hasEnded) return;
      term = { state: "beginning", engine: undefined, begun: Promise.resolve() };
      term.begun = begin(term);
    },
    async end() {
      hasEnded = true;
      await finish();
      await lock.release();
    },
  };
}
