import type { CryptoKey, errors, JWK } from "jose";
import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import type { Caller } from "../call.ts";
import type { Jwk } from "./key-pair.ts";
import { isScope, isProcessSubject } from "./scopes.ts";

export interface Verifier {
  /**
   * Who sent a request with this `Authorization` header. A token that was checked before is answered at once, without
   * a promise.
   * @throws ServiceError UNAUTHENTICATED (or rejects with it): missing, malformed, wrongly signed, for another
   * organism, or expired. The token itself is never part of the message.
   */
  verify(authorization: string | undefined): Caller | Promise<Caller>;
}

interface Verified {
  readonly caller: Caller;
  readonly expiresAtMs: number;
}

/** Tokens remembered at once; beyond that the oldest is forgotten and checked again when it comes back. */
const MAX_REMEMBERED = 1_000;

export function createVerifier(publicJwk: Jwk, audience: string, clock: Pick<Clock, "now">): Verifier {
  // Keyed by the whole header, so that a hit costs one look-up.
  const remembered = new Map<string, Verified>();
  let key: Promise<CryptoKey | Uint8Array> | undefined;

  async function check(authorization: string): Promise<Caller> {
    const jose = await import("jose");
    key ??= jose.importJWK(publicJwk as JWK, "EdDSA");
    let payload: { sub?: string; exp?: number; scope?: unknown };
    try {
      ({ payload } = await jose.jwtVerify(tokenOf(authorization), await key, {
        audience,
        algorithms: ["EdDSA"],
        requiredClaims: ["sub", "exp"],
        currentDate: new Date(clock.now()),
      }));
    } catch (error) {
      throw unauthenticated(reasonOf(error, jose.errors, audience), error);
    }
    const { sub: subject = "", exp = 0, scope } = payload;
    const scopes = new Set((typeof scope === "string" ? scope.split(" ") : []).filter(isScope));
    // Whoever signed it: a program does not approve.
    if (isProcessSubject(subject)) scopes.delete("approve");
    const caller: Caller = { subject, scopes };
    if (remembered.size >= MAX_REMEMBERED) remembered.delete(remembered.keys().next().value ?? "");
    remembered.set(authorization, { caller, expiresAtMs: exp * 1_000 });
    return caller;
  }

  return {
    verify(authorization) {
      if (authorization === undefined || authorization === "") throw unauthenticated("The request has no token.");
      const known = remembered.get(authorization);
      if (known === undefined) return check(authorization);
      if (clock.now() < known.expiresAtMs) return known.caller;
      remembered.delete(authorization);
      throw unauthenticated("The token has expired.");
    },
  };
}

function tokenOf(authorization: string): string {
  const match = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+) *$/i.exec(authorization);
  if (!match?.[1]) throw new MalformedHeader();
  return match[1];
}

class MalformedHeader extends Error {}

function reasonOf(error: unknown, types: typeof errors, audience: string): string {
  if (error instanceof MalformedHeader) return "The Authorization header is not of the form `Bearer <token>`.";
  if (error instanceof types.JWTExpired) return "The token has expired.";
  if (error instanceof types.JWSSignatureVerificationFailed) return "The token was signed with another key.";
  if (error instanceof types.JOSEAlgNotAllowed) return "The token is signed with an algorithm that is not accepted.";
  if (error instanceof types.JWTClaimValidationFailed && error.claim === "aud") {
    return `The token is for another organism; this one is "${audience}".`;
  }
  if (error instanceof types.JWTClaimValidationFailed) return `The token's claim "${error.claim}" is not acceptable.`;
  return "The token is malformed.";
}

function unauthenticated(message: string, cause?: unknown): ServiceError {
  return new ServiceError("UNAUTHENTICATED", message, cause === undefined ? {} : { cause });
}
