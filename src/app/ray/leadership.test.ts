import { describe, expect, it } from "vitest";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { createLeadership, LEAD_MS } from "./leadership.ts";

/** The registry's locks, which it keeps in memory only. */
function fakeRegistry() {
  const clock = createFakeClock();
  const locks = new Map<string, { holder: string; untilMs: number }>();
  return {
    clock,
    /** As when Ray starts it again. */
    restart: () => locks.clear(),
    async acquire(name: string, holder: string, ttlMs: number) {
      const present = locks.get(name);
      const isFree = present === undefined || present.holder === holder || present.untilMs <= clock.monotonic();
      if (isFree) locks.set(name, { holder, untilMs: clock.monotonic() + ttlMs });
      return isFree;
    },
    async release(name: string, holder: string) {
      if (locks.get(name)?.holder === holder) locks.delete(name);
    },
  };
}

/** A host that would lead, and the engines that it made. */
function openHost(registry: ReturnType<typeof fakeRegistry>, start: () => Promise<void> = async () => {}) {
  const engines: { reconciles: boolean; renewals: number }[] = [];
  const log = createMemoryLogger();
  const standings: string[] = [];
  const leadership = createLeadership({
    registry,
    log,
    changed: () => void standings.push(leadership.standing.kind),
    async makeEngine() {
      const made = { reconciles: false, renewals: 0 };
      engines.push(made);
      return {
        status: () => ({ kind: "ray", hosts: [] }),
        applications: () => [],
        async start() {
          await start();
          made.reconciles = true;
        },
        async renewTokens() {
          made.renewals++;
        },
        async detach() {
          made.reconciles = false;
        },
      };
    },
  });
  const keep = async () => {
    await leadership.keep();
    await registry.clock.advance(0);
  };
  return {
    leadership,
    engines,
    log,
    keep,
    standings,
    reconciling: () => engines.filter(({ reconciles }) => reconciles).length,
  };
}

describe("the lead", () => {
  // An engine whose first look fails has begun nothing and never looks again: kept, the organism was left to itself until the
  // host's process ended, which said that it was ready.
  it("is tried for again when the engine could not begin", async () => {
    let failures = 2;
    const host = openHost(fakeRegistry(), async () => {
      if (failures-- > 0) throw new Error("Serve is away.");
    });
    await host.keep();
    expect([host.reconciling(), host.leadership.engine]).toEqual([0, undefined]);
    await host.keep();
    await host.keep();
    await host.keep();
    expect([host.reconciling(), host.engines.length]).toEqual([1, 3]);
    expect(host.leadership.engine).toBeDefined();
    expect(host.log.lines.filter(({ level }) => level === "warn")).toHaveLength(2);
  });

  it("is one host's, and another's once that has ended or has not been heard of", async () => {
    const registry = fakeRegistry();
    const [first, second, third] = [openHost(registry), openHost(registry), openHost(registry)];
    for (const host of [first, second, third]) await host.keep();
    expect([first, second, third].map((host) => host.reconciling())).toEqual([1, 0, 0]);
    await first.leadership.end();
    await second.keep();
    expect([first, second, third].map((host) => host.reconciling())).toEqual([0, 1, 0]);
    await registry.clock.advance(LEAD_MS);
    await third.keep();
    expect(third.reconciling()).toBe(1);
  });

  // Two engines that follow one desired state start and stop the same applications by turns.
  it("is given up when the registry, started again, has given it to another", async () => {
    const registry = fakeRegistry();
    const [first, second] = [openHost(registry), openHost(registry)];
    for (const host of [first, second]) await host.keep();
    registry.restart();
    await second.keep();
    await first.keep();
    expect([first.reconciling(), second.reconciling()]).toEqual([0, 1]);
    expect(first.leadership.engine).toBeUndefined();
    await second.leadership.end();
    await first.keep();
    expect(first.reconciling()).toBe(1);
  });

  it("lost or ended while the engine begins, does not leave one behind", async () => {
    const registry = fakeRegistry();
    let begin = () => {};
    const slow = () => new Promise<void>((resolve) => (begin = resolve));
    for (const lose of [
      async ({ leadership }: ReturnType<typeof openHost>) => {
        registry.restart();
        await openHost(registry).keep();
        await leadership.keep();
      },
      ({ leadership }: ReturnType<typeof openHost>) => leadership.end(),
    ]) {
      registry.restart();
      const host = openHost(registry, slow);
      await host.keep();
      // The lock is kept meanwhile, and no second engine made.
      await host.keep();
      const lost = lose(host);
      await registry.clock.advance(0);
      begin();
      await lost;
      await registry.clock.advance(0);
      expect([host.engines.length, host.reconciling(), host.leadership.engine]).toEqual([1, 0, undefined]);
    }
  });

  // The next one waited for `LEAD_MS`, and nobody followed the desired state meanwhile.
  it("is not left behind for nobody by a host that ends while it asks for it", async () => {
    const registry = fakeRegistry();
    let arrive = () => {};
    const first = openHost({
      ...registry,
      async acquire(...args) {
        await new Promise<void>((resolve) => (arrive = resolve));
        return registry.acquire(...args);
      },
    });
    const kept = first.leadership.keep();
    const ended = first.leadership.end();
    await registry.clock.advance(0);
    arrive();
    await Promise.all([kept, ended]);
    const second = openHost(registry);
    await second.keep();
    expect([first.engines.length, second.reconciling()]).toEqual([0, 1]);
  });

  it("is not taken any more by a host that has ended", async () => {
    const host = openHost(fakeRegistry());
    await host.leadership.end();
    await host.keep();
    expect(host.engines).toEqual([]);
  });

  // A host that could never lead was ready: whoever waited for it, and whoever looked, took the organism for looked after.
  it("is told apart from standing by for it, and from what cannot lead", async () => {
    const registry = fakeRegistry();
    let failure: Error | undefined = new Error("the database is away");
    const first = openHost(registry, async () => {
      if (failure !== undefined) throw failure;
    });
    expect(first.leadership.standing).toMatchObject({ kind: "unable" });
    await first.keep();
    expect(first.leadership.standing).toEqual({ kind: "unable", reason: "it cannot lead: the database is away" });
    await first.keep();
    // Trying again is not leading.
    expect(first.standings).toEqual(["unable"]);
    failure = undefined;
    await first.keep();
    await first.keep();
    const second = openHost(registry);
    await second.keep();
    await second.keep();
    expect([first.standings, second.standings]).toEqual([["unable", "leading"], ["standby"]]);
    registry.restart();
    await second.keep();
    await first.keep();
    expect([first.standings.at(-1), second.standings.at(-1)]).toEqual(["standby", "leading"]);
  });

  // Each host renews once a day by its own clock: were it replaced every day, nobody would, and after two days no host's token
  // would be accepted.
  it("begins with new tokens for every host", async () => {
    const host = openHost(fakeRegistry());
    await host.keep();
    await host.keep();
    expect(host.engines.map(({ renewals }) => renewals)).toEqual([1]);
  });
});
