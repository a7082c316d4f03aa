/**
 * The control channel between an engine and a host process, the same for every engine: lines of JSON, parent to host on
 * standard input, host to parent on file descriptor 3. The end of standard input means the parent is gone: the host
 * exits at once with its whole process group. Standard output stays the program's own.
 */
import type { webcrypto } from "node:crypto";
import type { EngineStatus } from "../engine/engine.ts";
import type { HostSpec } from "../engine/host-spec.ts";
import type { Topology } from "../topology.ts";

/** Everything a host needs to start; secrets travel here, never in argv or the environment. */
export interface HostAssignment {
  readonly replicaId: string;
  readonly spec: HostSpec;
  readonly namespace: string;
  readonly dataDir: string;
  /** `sqlite:<dataDir>` or a PostgreSQL URL. */
  readonly databaseUrl: string;
  readonly bindAddress: string;
  /** On Ray: the address of its node, by which others find a host that listens on all of them. */
  readonly nodeAddress?: string;
  /** JWK of the key that tokens are checked with. */
  readonly publicKey: webcrypto.JsonWebKey;
  /** This host's own token for calls to other services. */
  readonly token: string;
  /** Live configuration by service name. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly topology: Topology;
  readonly engine: EngineStatus;
  /** On Ray: the Unix socket over which this host calls Serve deployments. */
  readonly serveSocket?: string;
  /** What only this host was given. */
  readonly secret?: unknown;
}

export type ToHost =
  | { readonly type: "assign"; readonly assignment: HostAssignment }
  | { readonly type: "topology"; readonly topology: Topology }
  | { readonly type: "engine"; readonly engine: EngineStatus }
  | { readonly type: "configure"; readonly config: Readonly<Record<string, unknown>> }
  | { readonly type: "token"; readonly token: string }
  /** Finish what is in flight within `drainMs`, answer `drained`, exit 0. */
  | { readonly type: "drain"; readonly drainMs: number };

export type FromHost =
  /** The module graph is loaded; waits for its assignment. */
  | { readonly type: "loaded" }
  /** Listening and answering health; not yet ready when services still warm up or initialise. */
  | { readonly type: "listening"; readonly address: string }
  | { readonly type: "ready" }
  /** On the way to being ready: what must happen first, and of which service. */
  | { readonly type: "waiting"; readonly for: string }
  | { readonly type: "not-ready"; readonly reason: string }
  /** Someone wrote desired state: look now rather than at the next sweep. */
  | { readonly type: "desired-changed" }
  | { readonly type: "drained" }
  /** The host cannot start; it exits after this. */
  | { readonly type: "failed"; readonly message: string };
