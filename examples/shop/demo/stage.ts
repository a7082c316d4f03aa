/** A whole organism with the shop in its care and people who buy: started for the demonstration, and taken away after it. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, type Connection, connect } from "seedcore";
import * as contracts from "../contracts.ts";
import { type Load, startLoad } from "../load.ts";
import { type Exporter, startExporter } from "./exporter.ts";

export const shopFolder = join(import.meta.dirname, "..");
const LAUNCHER = join(shopFolder, "..", "..", "bin", "seedcore");

export const SERVICES = ["front", "cart", "pricing", "stock"] as const;
export type ServiceName = (typeof SERVICES)[number];

/** Of people who buy, per second. */
export const USUAL_RATE = 25;

/** Points after which an alarm knows what is routine, and a few more; one a second. */
export const LEARNING_S = 240;

/** What is not the default, and why. */
const SETTINGS = {
  port: 0,
  services: {
    coordinator: {
      // The shop's services may be restarted without asking a person.
      modes: [{ skill: "restart-host", target: "shop-*", mode: "act" }],
      // One fault follows another here: each is to be an incident of its own, and none to be held back by the last.
      incidents: { quietMs: 10_000 },
      blastRadius: { perTargetPerHour: 100 },
    },
  },
};

export interface Stage extends AsyncDisposable {
  readonly connection: Connection;
  readonly load: Load;
  readonly exporter: Exporter;
  /** A service of the shop as a fault is switched on in it. */
  service(name: ServiceName): Pick<Client<typeof contracts.front>, "fault">;
  /** Runs `seedcore …`. @throws Error with what it printed when it fails */
  seedcore(...args: string[]): Promise<string>;
}

export const hostOf = (service: ServiceName): string => `shop-${service}`;

/** On this machine, or on the cluster that RAY_ADDRESS names. */
export async function openStage(tell: (text: string) => void): Promise<Stage> {
  const home = await mkdtemp(join(tmpdir(), "seedcore-demo-"));
  const config = join(home, "seedcore.json");
  await writeFile(config, JSON.stringify(SETTINGS));
  // For the commands, and for `connect()` in this process.
  process.env.SEEDCORE_HOME = home;
  process.env.SEEDCORE_CONFIG = config;
  process.env.RAY_NAMESPACE = "shop-demo";
  const seedcore = (...args: string[]) => run(args);
  const end = async () => {
    await seedcore("down").catch((error: Error) => tell(error.message));
    await rm(home, { recursive: true, force: true });
  };
  try {
    tell("Starting an organism.");
    await seedcore("up", "--detach");
    for (const name of SERVICES.toReversed()) {
      tell(`Deploying shop-${name}.`);
      await seedcore("deploy", join(shopFolder, name));
    }
    const connection = await connect();
    const load = startLoad(connection, USUAL_RATE);
    const exporter = startExporter(connection);
    const clients = {
      front: connection.client(contracts.front),
      cart: connection.client(contracts.cart),
      pricing: connection.client(contracts.pricing),
      stock: connection.client(contracts.stock),
    };
    return {
      connection,
      load,
      exporter,
      service: (name) => clients[name],
      seedcore,
      async [Symbol.asyncDispose]() {
        await load.stop();
        exporter.stop();
        await connection.close();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(LAUNCHER, args, { stdio: ["ignore", "pipe", "pipe"] });
    let printed = "";
    child.stdout.on("data", (part: Buffer) => (printed += part.toString()));
    child.stderr.on("data", (part: Buffer) => (printed += part.toString()));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(printed);
      else reject(new Error(`seedcore ${args.join(" ")} failed with ${code}:\n${printed}`));
    });
  });
}
