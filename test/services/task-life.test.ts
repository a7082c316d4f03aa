/** Random lives of many tasks, with crashes and handovers in between: what must hold whatever happens. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Task } from "#contracts/task.ts";
import type { EngineStatus } from "#runtime/engine/engine.ts";
import { HostSpec } from "#runtime/engine/host-spec.ts";
import { type Box, openBox } from "./organism-in-a-box.ts";
import { type Place, temporaryPlace } from "../temporary-place.ts";
import { createPuppet, type Puppet } from "./puppet-organism.ts";
import { eventually } from "./eventually.ts";

type Step =
  | { readonly kind: "submit"; readonly type: "safe" | "once"; readonly maxAttempts: number }
  | { readonly kind: "end"; readonly pick: number; readonly how: "succeed" | "retryable" | "final" | "lose" }
  | { readonly kind: "cancel" | "retry"; readonly pick: number }
  | { readonly kind: "crash" | "handover" };

const pick = fc.nat(1_000);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("submit" as const),
      type: fc.constantFrom("safe" as const, "once" as const),
      maxAttempts: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      pick,
      how: fc.constantFrom("succeed" as const, "retryable" as const, "final" as const, "lose" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("cancel" as const, "retry" as const), pick }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("crash" as const, "handover" as const) }) },
);

interface Replica {
  readonly id: string;
  readonly box: Box;
  readonly puppet: Puppet;
}

class World {
  readonly #place: Place;
  readonly spec = HostSpec.parse({ name: "core", services: ["coordinator"] });
  readonly acknowledged: string[] = [];
  readonly finals = new Map<string, Task>();
  readonly puppets: Puppet[] = [];
  owner!: Replica;
  /** Replicas that lost ownership but live on to finish what they run. */
  readonly draining: Replica[] = [];
  #incarnation = 0;

  constructor(place: Place) {
    this.#place = place;
  }

  get alive(): readonly Replica[] {
    return [this.owner, ...this.draining];
  }

  async start(): Promise<void> {
    const id = `core/0@${++this.#incarnation}`;
    const puppet = createPuppet();
    this.puppets.push(puppet);
    const box = await openBox({
      place: this.#place,
      replicaId: id,
      organismService: puppet.service,
      engineStatus: () => this.#engineStatus(),
      coordinator: { tasks: { slots: 3, retryBaseMs: 2, retryMaxMs: 4 } },
    });
    this.owner = { id, box, puppet };
  }

  #engineStatus(): EngineStatus {
    const replicas = this.draining.map(({ id }) => ({
      id,
      pid: 1,
      version: "1",
      generation: 1,
      restarts: 0,
      state: { kind: "draining", sinceMs: 0 } as const,
    }));
    return { kind: "embedded", hosts: [{ spec: this.spec, generation: 1, replicas }] };
  }

  async take(step: Step): Promise<void> {
    const { coordinator } = this.owner.box;
    switch (step.kind) {
      case "submit": {
        const { id } = await coordinator.submitTask({ type: step.type, maxAttempts: step.maxAttempts });
        this.acknowledged.push(id);
        break;
      }
      case "end":
        this.#end(step.pick, step.how);
        break;
      case "cancel":
      case "retry": {
        const id = this.acknowledged[step.pick % Math.max(1, this.acknowledged.length)];
        if (id === undefined) break;
        if (step.kind === "cancel") await coordinator.cancelTask({ id });
        else if ((await coordinator.retryTask.try({ id })).ok) this.finals.delete(id);
        break;
      }
      case "crash":
        this.owner.box.crash();
        await this.start();
        break;
      case "handover": {
        const before = this.owner;
        this.draining.push(before);
        await this.start();
        await before.box.lose();
        break;
      }
    }
    await this.check();
  }

  #end(pick: number, how: Extract<Step, { kind: "end" }>["how"]): void {
    const running = this.alive.flatMap(({ puppet }) => puppet.running);
    const one = running[pick % Math.max(1, running.length)];
    if (how === "succeed") one?.succeed(`${one.taskId}#${one.attempt}`);
    else if (how === "lose") one?.lose();
    else one?.fail(how === "retryable");
  }

  async check(): Promise<void> {
    const running = this.alive.flatMap(({ puppet }) => puppet.running.map(({ taskId }) => taskId));
    expect(new Set(running).size, "never two executors of one task").toBe(running.length);
    const { tasks } = await this.owner.box.coordinator.listTasks({ limit: 1_000 });
    expect(tasks.map(({ id }) => id).sort()).toEqual([...this.acknowledged].sort());
    for (const task of tasks) {
      const known = this.finals.get(task.id);
      if (known !== undefined) expect(task).toEqual(known);
      if (["succeeded", "failed", "cancelled"].includes(task.state)) this.finals.set(task.id, task);
      if (task.state === "succeeded") expect(task.result).toBe(`${task.id}#${task.attempts}`);
      expect(task.attempts).toBeLessThanOrEqual(task.maxAttempts);
    }
    const begun = this.puppets.flatMap((puppet) => puppet.begun);
    expect(new Set(begun).size, "no attempt is begun twice").toBe(begun.length);
  }

  /** Lets everything end well. */
  async settle(): Promise<void> {
    await eventually(async () => {
      for (const { puppet } of this.alive)
        for (const one of puppet.running.slice()) one.succeed(`${one.taskId}#${one.attempt}`);
      await this.check();
      expect(this.finals.size).toBe(this.acknowledged.length);
    });
    const begun = this.puppets.flatMap((puppet) => puppet.begun);
    for (const [id, { attempts }] of this.finals) {
      const times = begun.filter((one) => one.startsWith(`${id}#`)).length;
      // A crash can fall between the count and the beginning; nothing can begin uncounted.
      expect(times).toBeLessThanOrEqual(attempts);
    }
  }

  async close(): Promise<void> {
    for (const { box } of this.alive) await box.close();
  }
}

const LIVES = Number(process.env["SEEDCORE_LIVES"] ?? 15);

it(
  "loses no task, runs none twice at once, counts attempts once, and leaves final states final",
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        const place = await temporaryPlace();
        const world = new World(place);
        try {
          await world.start();
          for (const one of steps) await world.take(one);
          await world.settle();
        } finally {
          await world.close();
          await place.remove();
        }
      }),
      { numRuns: LIVES },
    );
  },
  60_000 + LIVES * 4_000,
);
