/** Signed tokens: JWT with EdDSA, a subject, scopes, the organism they are for, and an end. */
import type { Scope } from "#core/contract.ts";
import type { Caller } from "../call.ts";
import type { Jwk } from "./key-pair.ts";
import { isScope, isProcessSubject } from "./scopes.ts";

export interface TokenOptions {
  /** A person or program, or `service:<host>` for one of ours. */
  readonly subject: string;
  readonly scopes: readonly Scope[];
  readonly namespace: string;
  readonly ttlMs: number;
  /** Milliseconds since the epoch. @default now */
  readonly issuedAtMs?: number;
}

/** The audience of tokens for the organism of a namespace. */
export function audienceOf(namespace: string): string {
  return `seedcore:${namespace}`;
}

/** @throws TypeError for a service that should carry `approve`: people approve, programs do not. */
export async function mintToken(privateJwk: Jwk, options: TokenOptions): Promise<string> {
  if (isProcessSubject(options.subject) && options.scopes.includes("approve")) {
    throw new TypeError(`"${options.subject}" is a service; its token cannot carry the scope "approve".`);
  }
  const { importJWK, SignJWT } = await import("jose");
  const issuedAtS = Math.floor((options.issuedAtMs ?? Date.now()) / 1_000);
  return new SignJWT({ scope: options.scopes.join(" ") })
    .setProtectedHeader({ alg: "EdDSA", typ: "JWT" })
    .setSubject(options.subject)
    .setAudience(audienceOf(options.namespace))
    .setIssuedAt(issuedAtS)
    .setExpirationTime(issuedAtS + Math.ceil(options.ttlMs / 1_000))
    .sign(await importJWK(privateJwk as Parameters<typeof importJWK>[0], "EdDSA"));
}

/** Who a token of our own speaks for. Not checked: only for tokens that came from our own parent. */
export function callerOfOwnToken(token: string): Caller {
  const payload = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as {
    sub?: string;
    scope?: string;
  };
  return { subject: payload.sub ?? "", scopes: new Set((payload.scope ?? "").split(" ").filter(isScope)) };
}
