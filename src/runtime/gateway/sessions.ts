/** Sessions of browsers: a token is shown once, then a cookie that no script reads stands for it on this gateway. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Clock } from "#core/clock.ts";

/** A session that nobody uses for so long is over. */
const IDLE_MS = 12 * 3_600_000;
/** Sessions at once; the one that was used least recently makes room. */
const MAX_SESSIONS = 1_000;
const ID_BYTES = 32;
/** Of the cookie: longer than a session lasts without use, which is for the gateway to say. */
const COOKIE_MS = 30 * 24 * 3_600_000;

interface Session {
  readonly authorization: string;
  readonly usedAtMs: number;
}

/**
 * Kept in memory: when the gateway restarts, people sign in again. The cookie names nothing but the session, so that another
 * server on the same machine, which browsers send it to, too, learns no token.
 */
export class Sessions {
  readonly #clock: Pick<Clock, "now">;
  /** The one used least recently first. */
  readonly #open = new Map<string, Session>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** @returns the value of the `Set-Cookie` header. */
  open(request: IncomingMessage, authorization: string): string {
    this.end(request);
    const id = randomBytes(ID_BYTES).toString("base64url");
    const [oldest] = this.#open.keys();
    if (oldest !== undefined && this.#open.size >= MAX_SESSIONS) this.#open.delete(oldest);
    this.#open.set(id, { authorization, usedAtMs: this.#clock.now() });
    return toCookie(request, id, COOKIE_MS);
  }

  /** @returns the value of the `Set-Cookie` header that takes the cookie away. */
  end(request: IncomingMessage): string {
    this.#open.delete(idOf(request.headers.cookie ?? "", request.socket) ?? "");
    return toCookie(request, "", 0);
  }

  /**
   * Gives a request of the page the token of its session. Not one that another page has caused, whatever it carries, and not
   * one that has a token of its own.
   */
  recognise(request: IncomingMessage): void {
    if ((request.headers.authorization ?? "") !== "") return;
    const authorization = this.authorizationOf(request);
    if (authorization !== undefined) request.headers.authorization = authorization;
  }

  /** The token of the session that a request of the page is in, which is thereby used; undefined when it is in none. */
  authorizationOf({ headers, socket }: IncomingMessage): string | undefined {
    const { cookie, "sec-fetch-site": site } = headers;
    if (cookie === undefined || (site !== undefined && site !== "same-origin" && site !== "none")) return undefined;
    const id = idOf(cookie, socket);
    const session = id === undefined ? undefined : this.#open.get(id);
    if (id === undefined || session === undefined) return undefined;
    const nowMs = this.#clock.now();
    this.#open.delete(id);
    if (nowMs - session.usedAtMs > IDLE_MS) return undefined;
    this.#open.set(id, { ...session, usedAtMs: nowMs });
    return session.authorization;
  }
}

/** Cookies know no ports, and there may be several organisms on one machine. */
const nameOf = ({ localPort }: IncomingMessage["socket"]): string => `seedcore-${localPort}`;

function idOf(cookie: string, socket: IncomingMessage["socket"]): string | undefined {
  const name = nameOf(socket);
  for (const part of cookie.split(";")) {
    const [key, value] = part.trim().split("=", 2);
    if (key === name) return value;
  }
  return undefined;
}

function toCookie(request: IncomingMessage, value: string, lifeMs: number): string {
  // A proxy before us ends TLS.
  const secure = request.headers["x-forwarded-proto"] === "https" ? "; Secure" : "";
  return `${nameOf(request.socket)}=${value}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${lifeMs / 1_000}${secure}`;
}
