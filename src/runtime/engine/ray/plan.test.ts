import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DesiredHost } from "../desired-state.ts";
import { HostSpec } from "../host-spec.ts";
import { fromApplicationName, toApplicationName } from "./application-name.ts";
import { beginRollout, returned } from "../rollout.ts";
import { type Deployed, plan } from "./plan.ts";

const wanted = (name: string, generation: number, replicas = 1): DesiredHost => ({
  spec: HostSpec.parse({ name, services: [name], replicas }),
  generation,
  revision: 1,
});
const app = (host: string, generation: number, ready: number, target = ready): Deployed => ({
  name: toApplicationName("dev", { host, version: "1", generation }),
  host,
  generation,
  targetReplicas: target,
  readyReplicas: ready,
});

describe("an application's name", () => {
  it("is read back whatever the namespace and version hold", () => {
    const name = { host: "my-ml", version: "1.2.0-rc.1", generation: 12 };
    for (const namespace of ["a", "a.b-c_d", "seedcore-dev"]) {
      expect(fromApplicationName(namespace, toApplicationName(namespace, name))).toEqual(name);
    }
  });

  it("is nobody else's: a longer namespace, a user's own application", () => {
    const theirs = toApplicationName("dev.two", { host: "ml", version: "1", generation: 1 });
    for (const name of [theirs, "default", "dev", "dev.ml", "dev.ml@1", "llm@2.1"]) {
      expect(fromApplicationName("dev", name)).toBeUndefined();
    }
  });
});

describe("the plan", () => {
  it("starts what is missing and keeps the old until the new is ready in full", () => {
    const old = app("ml", 1, 2);
    expect(plan([wanted("ml", 2, 2)], [old])).toMatchObject({ start: [{ generation: 2 }], keep: [old], stop: [] });
    expect(plan([wanted("ml", 2, 2)], [old, app("ml", 2, 1, 2)]).stop).toEqual([]);
    expect(plan([wanted("ml", 2, 2)], [old, app("ml", 2, 2)]).stop).toEqual([old]);
  });

  it("stops at once what serves nobody and is of an older generation", () => {
    const failed = app("ml", 2, 0, 1);
    const serving = app("ml", 1, 1);
    expect(plan([wanted("ml", 3)], [failed, serving])).toMatchObject({ stop: [failed], keep: [serving] });
  });

  it("keeps both versions of a rollout, however ready, and afterwards the one that stays", () => {
    const before = wanted("ml", 1, 2);
    const rollout = beginRollout("1", before.spec, 2, { steps: [100], everyMs: 1, nowMs: 0 });
    const during = { ...before, rollout };
    const old = app("ml", 1, 2);
    expect(plan([during], [old])).toMatchObject({ start: [{ generation: 2 }], keep: [old], stop: [] });
    for (const ready of [0, 1, 2]) {
      const next = app("ml", 2, ready, 2);
      expect(plan([during], [old, next])).toEqual({ start: [], scale: [], stop: [], keep: [old, next] });
      const returnedNow = { ...before, rollout: returned(rollout, "aborted", 1) };
      expect(plan([returnedNow], [old, next])).toMatchObject({ stop: [next], keep: [old] });
    }
    expect(plan([wanted("ml", 2, 2)], [old, app("ml", 2, 2)])).toMatchObject({ stop: [old] });
  });

  it("scales what is there, to nothing too, and starts nothing for nothing", () => {
    const present = app("ml", 1, 1);
    for (const replicas of [3, 0]) {
      const { scale, stop } = plan([wanted("ml", 1, replicas)], [present]);
      expect({ scale, stop }).toEqual({ scale: [{ application: present, replicas }], stop: [] });
    }
    expect(plan([wanted("ml", 2, 0)], [present])).toMatchObject({ start: [], stop: [present] });
  });

  // The one mistake that loses requests: stopping the only application of a wanted host that serves.
  it("never stops the last that serves a wanted host, and always ends", () => {
    const host = fc.constantFrom("a", "b");
    const arbitrary = fc.record({
      wants: fc.uniqueArray(fc.tuple(host, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 3 })), {
        selector: ([name]) => name,
      }),
      has: fc.uniqueArray(
        fc.tuple(host, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })),
        { selector: ([name, generation]) => `${name}${generation}` },
      ),
    });
    fc.assert(
      fc.property(arbitrary, ({ wants, has }) => {
        const desired = wants.map(([name, generation, replicas]) => wanted(name, generation, replicas));
        let deployed = has.map(([name, generation, ready, target]) => app(name, generation, ready, target));
        for (let step = 0; step < 4; step++) {
          const { start, scale, stop, keep } = plan(desired, deployed);
          for (const { spec } of desired) {
            if (spec.replicas === 0) continue;
            const before = deployed.filter((one) => one.host === spec.name && one.readyReplicas > 0);
            if (before.length > 0) {
              expect(keep.some((one) => one.host === spec.name && one.readyReplicas > 0)).toBe(true);
            }
          }
          expect(stop.filter((one) => keep.includes(one))).toEqual([]);
          const scaled = new Map(scale.map(({ application, replicas }) => [application, replicas]));
          deployed = [
            ...keep.map((one) => app(one.host, one.generation, scaled.get(one) ?? one.targetReplicas)),
            ...start.map(({ spec, generation }) => app(spec.name, generation, spec.replicas)),
          ];
        }
        const rest = plan(desired, deployed);
        expect([...rest.start, ...rest.scale, ...rest.stop]).toEqual([]);
      }),
    );
  });
});
