import { randomUUID } from "node:crypto";
import { sleep } from "#core/clock.ts";
import { isServiceError, ServiceError } from "#core/service-error.ts";
import { type Datapath, openDatapath, type RequestTime } from "./datapath.ts";
import { type DriverCalls, ping } from "./driver-calls.ts";
import { createReferences, type References } from "./references.ts";
import { waitWithin } from "./wait-within.ts";

/** What Ray's server process for this session runs with. */
export interface SessionConfig {
  /** Where names of actors live. Ray's own default is a new one for each session, in which nothing is found again. */
  readonly namespace: string;
  /** Pickle of a `ray.job_config.JobConfig`; takes the place of `namespace`. Makes modules of a package importable. */
  readonly jobConfig: Uint8Array | undefined;
  /** Throws a ServiceError for a version of Ray that is not to be used. */
  readonly checkVersion?: ((version: string) => void) | undefined;
  /** How long opening may take, all tries together. Installing packages counts. */
  readonly openDeadlineMs: number;
}

/** A session while it is open. What it holds ends with it. */
export interface OpenSession {
  readonly datapath: Datapath;
  readonly references: References;
  readonly versions: { readonly ray: string; readonly python: string };
  /** How many it took to open it; more than one on a head whose proxy dies when it forks. */
  readonly tries: number;
  /** Code that was sent, by its name: once a session is enough. */
  readonly codeIds: Map<string, Promise<Uint8Array>>;
}

export type SessionState =
  /** Nobody has needed it yet. */
  | { readonly kind: "idle" }
  | { readonly kind: "opening"; readonly opening: Promise<OpenSession>; readonly abort: AbortController }
  | { readonly kind: "open"; readonly session: OpenSession }
  /** The next use opens another. */
  | { readonly kind: "lost"; readonly reason: ServiceError }
  | { readonly kind: "closed" };

/** A process's session with a Ray cluster, opened by its first use and again by the first use after a loss. */
export interface Session {
  readonly state: SessionState;
  /**
   * The open session. Who asks while it is being opened waits for the same one.
   * @throws ServiceError with `started: "no"`: UNAVAILABLE, UNAUTHENTICATED, DEADLINE, CANCELLED, INVALID_INPUT when
   * the runtime environment cannot be made, and what `checkVersion` throws.
   */
  use(time: RequestTime): Promise<OpenSession>;
  /** Ends it for good and frees what it holds on the cluster; bounded by two seconds. Again is harmless. */
  close(): Promise<void>;
}

export interface SessionDeps {
  readonly calls: DriverCalls;
  /** A new id for every try: Ray remembers the failed ones. Default: a random UUID as 32 digits. */
  readonly newClientId?: () => string;
}

/**
 * Ray's proxy forks to start a session's process, and the child often dies of it unless the head was started with
 * GRPC_ENABLE_FORK_SUPPORT=0. The failure comes at once and the second or third try works.
 */
const MAX_TRIES = 6;
const RETRY_DELAY_MS = 250;
const PING_DEADLINE_MS = 3_000;
const CLOSE_DEADLINE_MS = 2_000;

export function createSession(config: SessionConfig, deps: SessionDeps): Session {
  const { calls, newClientId = () => randomUUID().replaceAll("-", "") } = deps;
  const { clock } = calls;
  let state: SessionState = { kind: "idle" };

  const startOpening = () => {
    const abort = new AbortController();
    const opening = openWithRetry(config, calls, newClientId, abort.signal);
    const mine: SessionState = { kind: "opening", opening, abort };
    state = mine;
    opening.then(
      (session) => {
        const { datapath } = session;
        if (state !== mine) return datapath.fail(closed());
        const onLost = () => {
          if (state.kind === "open" && state.session === session) {
            state = { kind: "lost", reason: datapath.lost.reason as ServiceError };
          }
        };
        state = { kind: "open", session };
        if (datapath.lost.aborted) onLost();
        else datapath.lost.addEventListener("abort", onLost, { once: true });
      },
      (reason: ServiceError) => {
        if (state === mine) state = { kind: "lost", reason };
      },
    );
    return opening;
  };

  return {
    get state() {
      return state;
    },
    async use(time) {
      if (state.kind === "closed") throw closed();
      if (state.kind === "open") return state.session;
      const opening = state.kind === "opening" ? state.opening : startOpening();
      return waitWithin(clock, "opening the Ray session", time, opening);
    },
    async close() {
      const last = state;
      state = { kind: "closed" };
      if (last.kind === "opening") {
        last.abort.abort(closed());
        await last.opening.catch(() => {});
      }
      if (last.kind === "open") {
        await last.session.datapath.close({ deadlineAtMs: clock.monotonic() + CLOSE_DEADLINE_MS });
      }
    },
  };
}

function closed(): ServiceError {
  return new ServiceError("CANCELLED", "The Ray session is closed.", { started: "no" });
}

async function openWithRetry(
  config: SessionConfig,
  calls: DriverCalls,
  newClientId: () => string,
  signal: AbortSignal,
): Promise<OpenSession> {
  const { clock } = calls;
  const deadlineAtMs = clock.monotonic() + config.openDeadlineMs;
  const pingAtMs = Math.min(deadlineAtMs, clock.monotonic() + PING_DEADLINE_MS);
  await ping(calls, newClientId(), { deadlineAtMs: pingAtMs, signal });
  for (let tries = 1; ; tries++) {
    try {
      return { ...(await openOnce(config, calls, newClientId(), { deadlineAtMs, signal })), tries };
    } catch (error) {
      const reason = error as ServiceError;
      if (!mayOpenNextTime(reason) || signal.aborted || tries === MAX_TRIES) throw asNotStarted(reason);
    }
    await sleep(clock, RETRY_DELAY_MS * tries, signal);
  }
}

async function openOnce(
  config: SessionConfig,
  calls: DriverCalls,
  clientId: string,
  time: RequestTime,
): Promise<Omit<OpenSession, "tries">> {
  const { clock, headers } = calls;
  const { transport } = await calls.wire();
  const datapath = openDatapath({ transport, clientId, headers, clock });
  try {
    // Without the first Ray would run hooks that are meant for Python clients.
    const kwargs = { _skip_env_hook: true, ...(config.jobConfig === undefined ? { namespace: config.namespace } : {}) };
    const init = {
      jobConfig: config.jobConfig ?? new Uint8Array(),
      rayInitKwargs: JSON.stringify(kwargs),
      // What outlives a session lives in detached actors; Ray keeping every answer for a reconnect buys nothing.
      reconnectGracePeriod: 0,
    };
    const { ok, msg } = await datapath.ask("opening the Ray session", { case: "init", value: init }, "init", time);
    if (!ok) throw refused(msg);
    const asked = { case: "connectionInfo", value: {} } as const;
    const info = await datapath.ask("asking Ray for its version", asked, "connectionInfo", time);
    config.checkVersion?.(info.rayVersion);
    return {
      datapath,
      references: createReferences(datapath, clock),
      versions: { ray: info.rayVersion, python: info.pythonVersion },
      codeIds: new Map(),
    };
  } catch (error) {
    const reason = isServiceError(error) ? error : new ServiceError("INTERNAL", String(error), { cause: error });
    datapath.fail(reason);
    throw reason;
  }
}

/** Ray's refusal is a Python traceback; its last line says what happened. */
function refused(traceback: string): ServiceError {
  const data = { traceback };
  if (traceback.includes("Failed to create runtime_env")) {
    const cause = traceback.slice(traceback.indexOf("Failed to create runtime_env"));
    const message = `Ray cannot make the session's runtime environment. ${cause.trim()} It remembers this for 600 s.`;
    return new ServiceError("INVALID_INPUT", message, { data });
  }
  const lastLine = traceback.trim().split("\n").at(-1) ?? "";
  return new ServiceError("UNAVAILABLE", `Ray could not start a server process for the session. ${lastLine}`, { data });
}

function mayOpenNextTime(reason: ServiceError): boolean {
  return reason.code === "UNAVAILABLE" || reason.code === "CONNECTION_LOST";
}

function asNotStarted(reason: ServiceError): ServiceError {
  if (reason.notStarted) return reason;
  const code = reason.code === "CONNECTION_LOST" ? "UNAVAILABLE" : reason.code;
  return new ServiceError(code, reason.message, { started: "no", data: reason.data, cause: reason });
}
