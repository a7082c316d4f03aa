import { readFile } from "node:fs/promises";
import type { Http2Session } from "node:http2";
import type { Transport } from "@connectrpc/connect";
import type { Http2SessionManager } from "@connectrpc/connect-node";
import { ServiceError } from "#core/service-error.ts";

/** Where a Ray client server listens, and what it asks of its clients. */
export interface RayEndpoint {
  readonly host: string;
  /** Ray's default is 10001. */
  readonly port: number;
  /** Sent with every call; undefined for a cluster without token authentication. */
  readonly token: string | undefined;
  /** Ray asks both sides for a certificate; undefined without RAY_USE_TLS. */
  readonly tls: RayTls | undefined;
}

/** Files in PEM, named by Ray's own variables. */
export interface RayTls {
  /** RAY_TLS_SERVER_CERT: the certificate we show. */
  readonly certFile: string;
  /** RAY_TLS_SERVER_KEY. */
  readonly keyFile: string;
  /** RAY_TLS_CA_CERT: who signed the cluster's. */
  readonly caFile: string;
}

/** A connection to a Ray client server, made by its first call. Tests bring one in memory. */
export interface Wire {
  readonly transport: Transport;
  /** Ends the connection and all that runs on it. */
  close(): void;
}

/** Bytes that may be under way to us on one stream before we have read them. HTTP/2's 64 KiB slow a large result down. */
const WINDOW_BYTES = 8 * 1024 * 1024;
/** Idle connections die in load balancers; a peer that vanished without a word is noticed by the same pings. */
interface KeepAlive {
  /** Since the last that came from the peer. Ray ends a connection that pings more often than each 10 s. */
  readonly pingIntervalMs: number;
  /** How long a ping may stay unanswered before the connection is given up. */
  readonly pingTimeoutMs: number;
}

const KEEP_ALIVE: KeepAlive = { pingIntervalMs: 10_000, pingTimeoutMs: 20_000 };
const MAX_MESSAGE_BYTES = 2 ** 31 - 1;

/** Prepares a connection; the libraries are loaded here and not before. @throws ServiceError INVALID_INPUT when a TLS file cannot be read. */
export async function openWire(endpoint: RayEndpoint, keepAlive = KEEP_ALIVE): Promise<Wire> {
  const { createGrpcTransport, Http2SessionManager } = await import("@connectrpc/connect-node");
  const { host, port, tls } = endpoint;
  const baseUrl = `${tls === undefined ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const secrets =
    tls === undefined
      ? {}
      : { cert: await read(tls.certFile), key: await read(tls.keyFile), ca: await read(tls.caFile) };
  const http2Options = { ...secrets, settings: { initialWindowSize: WINDOW_BYTES } };
  const sessions = new Http2SessionManager(baseUrl, keepAlive, http2Options);
  const transport = createGrpcTransport({
    baseUrl,
    sessionManager: listeningOn(sessions),
    // What Ray sends is pickled already; its server does not compress.
    acceptCompression: [],
    readMaxBytes: MAX_MESSAGE_BYTES,
    writeMaxBytes: MAX_MESSAGE_BYTES,
  });
  return { transport, close: () => sessions.abort() };
}

/**
 * A connection tells its streams of its end before it tells who made it. Who asks anew in between makes the library forget the
 * old one, which then finds nobody who listens to its error: that ends the process.
 */
function listeningOn(
  sessions: Http2SessionManager,
): Pick<Http2SessionManager, "authority" | "request" | "notifyResponseByteRead"> {
  const heard = new WeakSet<Http2Session>();
  return {
    authority: sessions.authority,
    async request(...call) {
      const stream = await sessions.request(...call);
      const { session } = stream;
      if (session !== undefined && !heard.has(session)) {
        heard.add(session);
        session.on("error", () => {});
      }
      return stream;
    },
    notifyResponseByteRead: (stream) => sessions.notifyResponseByteRead(stream),
  };
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new ServiceError("INVALID_INPUT", `Ray's TLS needs the file ${file}, which cannot be read.`, { cause });
  }
}
