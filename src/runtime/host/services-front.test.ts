import { afterEach, expect, test } from "vitest";
import { defineContract } from "#core/contract.ts";
import { createCountingIds } from "#testing/counting-ids.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createFakeTopology } from "#testing/fake-topology.ts";
import { HostSpec } from "../engine/host-spec.ts";
import { implement } from "../service.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { createRegistry } from "../telemetry/metrics.ts";
import type { Front, HostContext } from "./front.ts";
import { createServicesFront } from "./services-front.ts";

const NAMES = ["a", "b", "c"];
let front: Front | undefined;
afterEach(() => front?.close());

/** Steps such as "a is created", each of which goes on when the test says so. */
function openSteps() {
  const gates = new Map<string, { resolve(): void; reject(error: Error): void }>();
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  const gate = (step: string) => {
    const found = gates.get(step);
    if (found === undefined) throw new TypeError(`"${step}" is not under way.`);
    return found;
  };
  return {
    settle,
    wait: (step: string) =>
      new Promise<void>((resolve, reject) => {
        gates.set(step, { resolve, reject });
      }),
    async finish(step: string) {
      gate(step).resolve();
      await settle();
    },
    async fail(step: string, error: Error) {
      gate(step).reject(error);
      await settle();
    },
  };
}

// They are worked on side by side: what was told last stayed, although that service had long been ready.
test("what a host waits for is the first of its services that is not ready, until none is left", async () => {
  const { wait, finish, fail, settle } = openSteps();
  const topology = createFakeTopology();
  const clock = createFakeClock();
  let said = "";
  const context: HostContext = {
    assignment: {
      replicaId: "trio/0@1",
      spec: HostSpec.parse({ name: "trio", services: NAMES }),
      namespace: "test",
      dataDir: "",
      databaseUrl: "",
      bindAddress: "127.0.0.1",
      publicKey: { kty: "OKP" },
      // Of nobody, and with no rights.
      token: `.${Buffer.from(JSON.stringify({ sub: "service:trio", scope: "" })).toString("base64url")}.`,
      config: {},
      topology: topology.current(),
      engine: { kind: "embedded", hosts: [] },
    },
    clock,
    ids: createCountingIds(),
    random: { next: () => 0 },
    log: silentLogger,
    metrics: createRegistry({}),
    topology,
    verifier: { verify: () => Promise.reject(new Error("nobody is let in")) },
    token: () => "",
    engineStatus: () => ({ kind: "embedded", hosts: [] }),
    desiredChanged() {},
    ready: () => void (said = "ready"),
    notReady: (reason) => void (said = reason),
    waiting: (what) => void (said = what),
  };
  const created = createServicesFront(context, async (name) => async () => {
    await wait(`${name} is created`);
    const contract = defineContract(name, { summary: "One of three.", state: "none", procedures: {} });
    const life = { warmUp: () => wait(`${name} is warm`), initialise: () => wait(`${name} is initialised`) };
    return implement(contract, {}, life) as never;
  });
  await settle();
  expect(said).toBe("a is being created");
  await finish("b is created");
  expect(said).toBe("a is being created");
  await finish("a is created");
  expect(said).toBe("c is being created");
  await finish("c is created");
  front = await created;

  const started = front.start();
  await finish("a is warm");
  expect(said).toBe("b is warming up");
  await finish("c is warm");
  expect(said).toBe("b is warming up");
  await finish("b is warm");
  await started;
  expect(said).toBe("a is initialising");
  await fail("b is initialised", new Error("no licence"));
  expect(said).toBe("b could not initialise: no licence");
  await finish("a is initialised");
  expect(said).toBe("b could not initialise: no licence");
  await clock.advance(250);
  await finish("b is initialised");
  expect(said).toBe("c is initialising");
  await finish("c is initialised");
  expect(said).toBe("ready");
});
