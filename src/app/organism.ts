/** One organism from its start to its end, in this process: the embedded engine and what it needs. */
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#core/clock.ts";
import { systemIds } from "#core/ids.ts";
import type { Scope } from "#core/contract.ts";
import { systemRandom } from "#core/random.ts";
import { type KeyPair, readOrCreateKeyPair } from "#runtime/auth/key-pair.ts";
import { subjectOfHost } from "#runtime/auth/scopes.ts";
import { mintToken } from "#runtime/auth/token.ts";
import type { DesiredState } from "#runtime/engine/desired-state.ts";
import { createDesiredState, desiredStateSchema } from "#runtime/engine/desired-state-rows.ts";
import type { HostStatus } from "#runtime/engine/engine.ts";
import { createEmbeddedEngine, type EmbeddedEngine } from "#runtime/engine/embedded/embedded-engine.ts";
import { createHostPool, type HostPool } from "#runtime/engine/embedded/host-pool.ts";
import { isOwnHost } from "#runtime/engine/host-spec.ts";
import { rotateLog } from "#runtime/engine/embedded/log-file.ts";
import { whyTaken } from "#runtime/engine/embedded/port-owner.ts";
import { endLeftovers } from "#runtime/engine/embedded/reaper.ts";
import type { Database } from "#runtime/storage/database.ts";
import { describePlace, toDatabasePlace } from "#runtime/storage/database-url.ts";
import { createDatabases } from "#runtime/storage/databases.ts";
import { outboxSchema } from "#runtime/storage/outbox-schema.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import { createPinoLogger } from "#runtime/telemetry/pino-logger.ts";
import { openChangeReporter } from "./change-reporter.ts";
import { type Config, childEnvironment, loadConfig } from "./config.ts";
import { watchConfig } from "./config-watch.ts";
import { gatewayUrlOf } from "./gateway-url.ts";
import type { Home } from "./home.ts";
import { declareHosts, toServiceConfig } from "./host-wishes.ts";
import { takeNamespaceLock } from "./namespace-lock.ts";
import { ensureOwnerToken } from "./owner-token.ts";
import { programOf } from "./program-path.ts";
import { readLiveRunFile } from "./run-file.ts";
import { createRunFileKeeper, type RunFileKeeper } from "./run-file-keeper.ts";
import { createPhaseRunner, type PhaseReport, Undo } from "./startup.ts";
import { AlreadyRunningError, StartupError } from "./startup-error.ts";

export interface OrganismOptions {
  readonly home: Home;
  /** Abort it to bring the organism down gracefully. */
  readonly signal: AbortSignal;
  onPhase(report: PhaseReport): void;
  onReady(ready: OrganismReady): void;
  /** Told what a person at the terminal should know while it runs. */
  onNotice(notice: string): void;
}

export interface OrganismReady {
  readonly url: string;
  /** The same with the owner's token, for a browser. */
  readonly urlWithToken: string;
  readonly startMs: number;
}

/** Twice the engine's interval for renewing them. */
const TOKEN_LIFE_MS = 60 * 60_000;
const STARTED_AT_MS = Math.round(performance.timeOrigin);
const READY_WITHIN_MS = 60_000;
const SQLITE_FULL = 13;
/** A host that failed this often before it was ever ready will not start by being tried more. */
const HOPELESS_RESTARTS = 3;

/**
 * Starts an organism, keeps it until `signal` aborts, and brings it down. Resolves when nothing of it is left.
 * @throws StartupError for a phase that failed, AlreadyRunningError, ConfigError. Nothing is left half-started.
 */
export async function runOrganism(options: OrganismOptions): Promise<void> {
  const { home, signal } = options;
  const began = performance.now();
  const undo = new Undo();
  const phases = createPhaseRunner({
    undo,
    signal,
    monotonic: () => performance.now(),
    report: (report) => {
      runFile.reached(report.phase);
      options.onPhase(report);
    },
    advise: (error) => [
      isDiskFull(error)
        ? `Make room on the disk that holds ${home.directory}, then start again.`
        : `Look at ${home.logsDir}, then start again.`,
    ],
  });
  const runFile = createRunFileKeeper(home);

  const configured = await phases.phase("configured", () => configure(home, undo, runFile));
  const { config, pool, keys, log } = configured;

  const databases = createDatabases(config.databaseUrl, systemClock, home.namespace, log);
  undo.add(() => databases.close());
  await phases.phase("connected", async () => {
    await databases.open("seedcore", []);
    return { value: undefined, detail: describePlace(toDatabasePlace(config.databaseUrl)) };
  });
  const database: Database = await phases.phase("migrated", async () => {
    const value = await databases.open("seedcore", [desiredStateSchema, outboxSchema]);
    return { value, detail: "schema is up to date" };
  });
  const desired = createDesiredState(database, systemClock);
  const token = await phases.phase("bootstrapped", async () => {
    const [value] = await Promise.all([ensureOwnerToken(home, keys), declareHosts(config, desired)]);
    return { value, detail: `${config.hosts.length} hosts declared, token in ${home.tokenFile}` };
  });
  const engine = await phases.phase("deployed", async () => {
    const value = createEngine(config, pool, desired, keys, log);
    undo.add(() => value.kill());
    await value.start();
    const replicas = value.status().hosts.reduce((sum, { replicas }) => sum + replicas.length, 0);
    return { value, detail: `${replicas} processes started` };
  });
  await phases.phase("ready", async () => {
    await ready(engine, home, signal);
    return { value: undefined, detail: config.hosts.map(({ name }) => name).join(", ") };
  });

  const url = gatewayUrlOf(config, engine.topology);
  runFile.address(url);
  options.onReady({ url, urlWithToken: `${url}/#token=${token}`, startMs: performance.now() - began });
  const changes = await openChangeReporter({
    database,
    topology: engine.topology,
    clock: systemClock,
    ids: systemIds,
    random: systemRandom,
    log,
    mintToken: () => mintHostToken(keys, config, subjectOfHost("supervisor", false), ["read", "operate", "admin"]),
  });
  const stopWatching = watchConfig({
    initial: config,
    log,
    onNotice: options.onNotice,
    refused: (refusal, applied) => engine.configure(toServiceConfig(applied, STARTED_AT_MS, refusal)),
    async apply(next, previous) {
      if (next.bindAddress !== previous.bindAddress) options.onNotice("bindAddress takes effect at the next start.");
      engine.configure(toServiceConfig(next, STARTED_AT_MS));
      await declareHosts(next, desired, previous);
      await changes.configured(next, previous);
      await engine.refresh();
      await engine.settled(READY_WITHIN_MS);
      runFile.address(gatewayUrlOf({ ...next, bindAddress: config.bindAddress }, engine.topology));
    },
  });
  log.info({ url, startMs: Math.round(performance.now() - began) }, "the organism is ready");

  await aborted(signal);
  log.info({}, "the organism stops");
  stopWatching();
  await changes.close();
  try {
    await engine.stop();
  } finally {
    await undo.run();
  }
}

/** Of a file of ours, or of the lock, which is a database. */
function isDiskFull(error: unknown): boolean {
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown };
  return code === "ENOSPC" || errcode === SQLITE_FULL;
}

interface Configured {
  readonly config: Config;
  readonly pool: HostPool;
  readonly keys: KeyPair;
  readonly log: Logger;
}

async function configure(
  home: Home,
  undo: Undo,
  runFile: RunFileKeeper,
): Promise<{ value: Configured; detail: string }> {
  const config = await loadConfig(home);
  mkdirSync(home.logsDir, { recursive: true, mode: 0o700 });
  const lock = takeNamespaceLock(home.lockFile);
  if (lock === undefined) throw new AlreadyRunningError(home.namespace, readLiveRunFile(home.runFile));
  undo.add(() => lock.release());
  await refuseTakenPorts(config);
  const marker = `SEEDCORE_ORGANISM=${createHash("sha256").update(home.directory).digest("hex").slice(0, 16)}`;
  // Whoever carries the marker while we hold the lock is of an earlier life.
  const leftovers = endLeftovers(marker);
  const pool = createHostPool({
    program: [programOf("host")],
    environment: { ...childEnvironment(), SEEDCORE_LOG_LEVEL: config.logLevel },
    logsDir: home.logsDir,
    marker,
  });
  undo.add(() => pool.close());
  // They load while the database is opened and migrated.
  for (const spec of config.hosts) for (let i = 0; i < spec.replicas; i++) pool.prepare(spec);

  const logFile = join(home.logsDir, "supervisor.log");
  await rotateLog(logFile);
  const log = createPinoLogger({
    fields: { host: "supervisor", pid: process.pid },
    level: config.logLevel,
    stream: { write: (line) => appendFileSync(logFile, line, { mode: 0o600 }) },
  });
  if (leftovers.length > 0) log.warn({ pids: leftovers }, "processes of an earlier life were ended");
  const keys = readOrCreateKeyPair(home.keyFile);
  runFile.begin(gatewayUrlOf(config));
  undo.add(() => runFile.remove());
  const file = existsSync(home.configFile) ? home.configFile : "defaults";
  return { value: { config, pool, keys, log }, detail: `namespace ${home.namespace}, ${file}` };
}

async function refuseTakenPorts(config: Config): Promise<void> {
  for (const { name, port } of config.hosts) {
    if (port === 0) continue;
    const why = await whyTaken(port, config.bindAddress);
    if (why === undefined) continue;
    throw new StartupError("configured", `The host "${name}" cannot start. ${why}`, [
      "End that process, or choose another port, such as: SEEDCORE_PORT=7800 npm start",
    ]);
  }
}

function createEngine(
  config: Config,
  pool: HostPool,
  desired: DesiredState,
  keys: KeyPair,
  log: Logger,
): EmbeddedEngine {
  const { namespace, dataDir } = config.home;
  return createEmbeddedEngine({
    clock: systemClock,
    random: systemRandom,
    log,
    pool,
    desired,
    organism: {
      namespace,
      dataDir,
      databaseUrl: config.databaseUrl,
      bindAddress: config.bindAddress,
      publicKey: keys.publicJwk,
    },
    config: toServiceConfig(config, STARTED_AT_MS),
    tokenRenewMs: TOKEN_LIFE_MS / 2,
    mintToken: ({ name, contracts }) => {
      const isOwn = isOwnHost({ contracts });
      // A person's own services change nothing of the organism itself.
      const scopes: readonly Scope[] = isOwn ? ["read", "operate"] : ["read", "operate", "admin"];
      return mintHostToken(keys, config, subjectOfHost(name, isOwn), scopes);
    },
  });
}

function mintHostToken(keys: KeyPair, { home }: Config, subject: string, scopes: readonly Scope[]): Promise<string> {
  return mintToken(keys.privateJwk, {
    subject,
    scopes,
    namespace: home.namespace,
    ttlMs: TOKEN_LIFE_MS,
  });
}

/**
 * Resolves when every host is ready; a person's own host that cannot start is waited for no longer.
 * @throws StartupError as soon as one of the organism's own cannot start, naming it and why.
 */
async function ready(engine: EmbeddedEngine, home: Home, signal: AbortSignal): Promise<void> {
  const isReady = ({ spec, replicas }: HostStatus) =>
    replicas.filter(({ state }) => state.kind === "ready").length >= spec.replicas ||
    (isOwnHost(spec) && replicas.some(({ state, restarts }) => state.kind === "backoff" && restarts > 0));
  const allButOwn = new Promise<void>((resolve) => {
    engine.onStatus(({ hosts }) => {
      if (hosts.some(({ spec }) => isOwnHost(spec)) && hosts.every(isReady)) resolve();
    });
  });
  const hopeless = new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    engine.onStatus(({ hosts }) => {
      for (const { spec, replicas } of hosts.filter((host) => !isOwnHost(host.spec))) {
        for (const { state, restarts } of replicas) {
          if (state.kind !== "backoff" || restarts < HOPELESS_RESTARTS - 1) continue;
          const message = `The host "${spec.name}" does not start: ${state.reason.replace(/\.$/, "")}.`;
          reject(new StartupError("ready", message, [`Read ${join(home.logsDir, `${spec.name}.log`)}.`]));
        }
      }
    });
  });
  hopeless.catch(() => {});
  await Promise.race([engine.settled(READY_WITHIN_MS), allButOwn, hopeless]);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
