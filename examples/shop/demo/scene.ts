/** What can happen to the shop: faults, of which the organism is told nothing, and decoys, in which nothing is to be repaired. */
import { cp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { hostOf, SERVICES, type ServiceName, type Stage, shopFolder, USUAL_RATE } from "./stage.ts";

export interface Scene {
  readonly name: string;
  /** In words, with its size. */
  readonly what: string;
  /** What is to be found out; null for a decoy. */
  readonly fault: { readonly service: ServiceName; readonly kind: FaultKind } | null;
  begin(stage: Stage): Promise<void>;
  end(stage: Stage): Promise<void>;
}

export const FAULT_KINDS = ["latency", "errors", "memory"] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];
export type Random = () => number;

/** From too little to see for a person who looks once to what nobody overlooks. */
const SIZES = {
  latency: { least: 60, most: 250, toText: (size: number) => `${Math.round(size)} ms more for each call` },
  errors: { least: 0.2, most: 0.7, toText: (size: number) => `${Math.round(100 * size)} % of the calls fail` },
  memory: { least: 10, most: 25, toText: (size: number) => `${Math.round(size)} MB a second are leaked` },
} as const;

export function faultScene(service: ServiceName, kind: FaultKind, random: Random): Scene {
  const { least, most, toText } = SIZES[kind];
  const size = least * (most / least) ** random();
  return {
    name: `${service}/${kind}`,
    what: `${hostOf(service)}: ${toText(size)}`,
    fault: { service, kind },
    begin: (stage) =>
      stage
        .service(service)
        .fault({ kind, size })
        .then(() => {}),
    // Restarting has ended it, unless nobody did.
    end: (stage) =>
      stage
        .service(service)
        .fault({ kind: "none" })
        .then(() => {}),
  };
}

export const DECOYS = ["surge", "upstream", "deploy", "batch", "clock", "exporter"] as const;

export function decoyScene(name: (typeof DECOYS)[number], random: Random): Scene {
  const decoy = (what: string, begin: Scene["begin"], end: Scene["end"]): Scene => ({
    name,
    what,
    fault: null,
    begin,
    end,
  });
  switch (name) {
    case "surge": {
      const times = 2.5 + 1.5 * random();
      return decoy(
        `${times.toFixed(1)} times as many people buy`,
        async ({ load }) => load.setRate(times * USUAL_RATE),
        async ({ load }) => load.setRate(USUAL_RATE),
      );
    }
    case "upstream": {
      const share = 0.5 + 0.4 * random();
      return decoy(
        `a partner's shop sends ${Math.round(100 * share)} % of the orders broken: front refuses them, the others have less to do`,
        async ({ load }) => load.setBroken(share),
        async ({ load }) => load.setBroken(0),
      );
    }
    case "deploy":
      return decoy(
        "a new version of cart is deployed, and it is well",
        async (stage) => {
          const folder = join(tmpdir(), `seedcore-shop-${process.pid}`);
          await cp(shopFolder, folder, { recursive: true });
          const file = join(folder, "cart", "service.ts");
          const source = await readFile(file, "utf8");
          await writeFile(file, source.replace("createWork(3)", `createWork(${(2.9 + 0.2 * random()).toFixed(3)})`));
          await stage.seedcore("deploy", join(folder, "cart"));
        },
        async () => {},
      );
    case "batch": {
      let worker: Worker | undefined;
      return decoy(
        "a batch job takes a processor of this machine",
        async () => {
          worker = new Worker("let x = 0; for (;;) x = Math.sqrt(x + 1);", { eval: true });
        },
        async () => void (await worker?.terminate()),
      );
    }
    case "clock": {
      const offByMs = Math.round(3_600_000 * (random() < 0.5 ? -1 : 1));
      return decoy(
        `the clock of the warehouse's thermometer is set ${offByMs < 0 ? "back" : "forward"} by an hour`,
        async ({ exporter }) => exporter.setClock(offByMs),
        async ({ exporter }) => exporter.setClock(0),
      );
    }
    case "exporter":
      return decoy(
        "the warehouse's thermometer is dead",
        async ({ exporter }) => exporter.setAlive(false),
        async ({ exporter }) => exporter.setAlive(true),
      );
  }
}

/** Each service with each fault, in an order that the seed makes. */
export function allFaults(random: Random): Scene[] {
  return shuffled(
    SERVICES.flatMap((service) => FAULT_KINDS.map((kind) => faultScene(service, kind, random))),
    random,
  );
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** Numbers that a seed makes (mulberry32), so that a run can be looked at again. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
