/** The program of a host of a person's own: what `host.ts` is for the built-in services. Their bundle calls it. */
import { writeSync } from "node:fs";
import { describeContract } from "#runtime/contract-description.ts";
import { runHost } from "#runtime/host/host.ts";
import { DESCRIBE, isOwnService, type OwnService } from "#runtime/host/own-service.ts";
import { createServicesFront } from "#runtime/host/services-front.ts";
import { variable } from "./config.ts";
import { setHostConnection } from "./host-connection.ts";

/** @param load imports the person's module, once `connect()` in it would be the host's own connection */
export function runOwnHost(load: () => Promise<{ readonly default?: unknown }>): void {
  if (process.argv[2] === DESCRIBE) {
    void describe(load);
    return;
  }
  runHost({
    logLevel: variable("SEEDCORE_LOG_LEVEL"),
    front: (context) =>
      createServicesFront(context, async () => async (own) => (await loadOwn(load)).create(own), setHostConnection),
  });
}

async function describe(load: () => Promise<{ readonly default?: unknown }>): Promise<void> {
  const { contract } = await loadOwn(load);
  writeSync(3, JSON.stringify(describeContract(contract)));
  // Whatever else its module has begun.
  process.exit(0);
}

async function loadOwn(load: () => Promise<{ readonly default?: unknown }>): Promise<OwnService> {
  const { default: service } = await load();
  if (isOwnService(service)) return service;
  throw new TypeError("The module has no service: it must `export default defineService(contract, create)`.");
}
