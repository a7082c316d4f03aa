/** What an organism needs of a Ray cluster: one finding after another. */
import { systemClock } from "#core/clock.ts";
import { isServiceError } from "#core/service-error.ts";
import { toDatabasePlace } from "#runtime/storage/database-url.ts";
import { USE_ANOTHER, whyUntested } from "#runtime/ray/supported-versions.ts";
import { formatDuration } from "#core/duration.ts";
import { loadConfig } from "../config.ts";
import type { Home } from "../home.ts";
import { openCluster } from "../ray/cluster.ts";
import { findRayDoor } from "../ray/ray-door.ts";
import { type RaySettings, resolveRaySettings } from "../ray/ray-settings.ts";
import type { Finding } from "./diagnose.ts";
import { plural } from "./format.ts";

export async function* diagnoseRay(home: Home, address: string): AsyncGenerator<Finding> {
  const { namespace } = home;
  try {
    const wanted = resolveRaySettings(address);
    const settings = { ...wanted, checksVersion: false };
    const began = performance.now();
    await using cluster = await openCluster(settings, { namespace, clock: systemClock });
    const took = formatDuration(performance.now() - began);
    yield { check: "ray", state: "ok", text: `Ray ${cluster.version} at ${settings.address}, answered after ${took}` };
    yield* versionFinding(cluster.version, wanted.checksVersion);
    yield sessionFinding((await cluster.ray.versions()).tries);
    yield cluster.isOpen
      ? {
          check: "ray token",
          state: "note",
          text: "The cluster lets in whoever reaches its ports: they own the organism and its keys.",
          todo: "Start the head with RAY_AUTH_MODE=token (docs/ray.md).",
        }
      : { check: "ray token", state: "ok", text: "The cluster wants a token and takes ours." };
    yield await nodesFinding(
      home,
      cluster.nodes.map(({ address }) => address),
    );
    yield await organismFinding(settings, namespace);
  } catch (error) {
    if (!isServiceError(error)) throw error;
    yield { check: "ray", state: "bad", text: error.message };
  }
}

/** @param isRefused whether other commands refuse a Ray that nobody has run SeedCore on */
export function versionFinding(version: string, isRefused: boolean): Finding[] {
  const why = whyUntested(version);
  if (why === undefined) return [];
  const check = "ray version";
  return [isRefused ? { check, state: "bad", text: why, todo: USE_ANOTHER } : { check, state: "note", text: why }];
}

/** Whether the head has what lets its proxy fork. */
export function sessionFinding(tries: number): Finding {
  if (tries === 1) return { check: "ray session", state: "ok", text: "A session opened at once." };
  return {
    check: "ray session",
    state: "note",
    text: `A session opened at try ${tries}: the head's proxy dies when it forks.`,
    todo: "Start the head with GRPC_ENABLE_FORK_SUPPORT=0 in its environment.",
  };
}

/** That none is up is no fault: `up` may be what comes next. */
async function organismFinding(settings: RaySettings, namespace: string): Promise<Finding> {
  try {
    const { gatewayUrls } = await findRayDoor(settings, namespace, systemClock);
    return { check: "organism", state: "ok", text: `"${namespace}" is up, its gateways: ${gatewayUrls.join(", ")}` };
  } catch (error) {
    if (!isServiceError(error) || error.code !== "UNAVAILABLE") throw error;
    return {
      check: "organism",
      state: "note",
      text: `"${namespace}" is not up there.`,
      todo: "Bring it up: seedcore up",
    };
  }
}

/** SQLite is a file of one machine. */
async function nodesFinding(home: Home, nodes: readonly string[]): Promise<Finding> {
  const { databaseUrl } = await loadConfig(home, { engine: "ray" });
  const text = `${plural(nodes.length, "node is", "nodes are")} alive: ${nodes.join(", ")}`;
  if (nodes.length === 1 || toDatabasePlace(databaseUrl).dialect === "postgres") {
    return { check: "ray nodes", state: "ok", text };
  }
  return {
    check: "ray nodes",
    state: "bad",
    text: `${text}; SQLite is a file of one machine.`,
    todo: "Name a PostgreSQL that every node reaches: DATABASE_URL=postgres://user:password@host/database",
  };
}
