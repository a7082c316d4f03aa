import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Scope } from "#core/contract.ts";
import { ServiceError } from "#core/service-error.ts";
import { createKeyPair, readOrCreateKeyPair } from "./key-pair.ts";
import { allows, requireScope } from "./scopes.ts";
import { audienceOf, mintToken } from "./token.ts";
import { createVerifier } from "./verifier.ts";

const pair = createKeyPair();
const base = { subject: "ada", scopes: ["read", "operate"] as Scope[], namespace: "test", ttlMs: 60_000 };

function verifierAt(time: { nowMs: number }) {
  return createVerifier(pair.publicJwk, audienceOf("test"), { now: () => time.nowMs });
}

async function refusal(authorization: string | undefined, time = { nowMs: Date.now() }): Promise<ServiceError> {
  try {
    await verifierAt(time).verify(authorization);
  } catch (error) {
    if (error instanceof ServiceError) return error;
  }
  throw new Error("accepted");
}

test("a good token names its caller, and from the second time on without a promise", async () => {
  const verifier = verifierAt({ nowMs: Date.now() });
  const header = `Bearer ${await mintToken(pair.privateJwk, base)}`;
  expect(await verifier.verify(header)).toEqual({ subject: "ada", scopes: new Set(["read", "operate"]) });
  expect(verifier.verify(header)).not.toBeInstanceOf(Promise);
});

test("a remembered token expires all the same", async () => {
  const time = { nowMs: Date.now() };
  const verifier = verifierAt(time);
  const header = `Bearer ${await mintToken(pair.privateJwk, base)}`;
  await verifier.verify(header);
  time.nowMs += 61_000;
  expect(() => verifier.verify(header)).toThrow("expired");
  // Forgotten, then checked from scratch: still no.
  await expect(verifier.verify(header)).rejects.toThrow("expired");
});

test("each refusal says what is wrong, and never repeats the token", async () => {
  const token = await mintToken(pair.privateJwk, base);
  const [head = "", body = "", signature = ""] = token.split(".");
  const other = await mintToken(createKeyPair().privateJwk, base);
  const elsewhere = await mintToken(pair.privateJwk, { ...base, namespace: "other" });
  const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${body}.${signature}`;
  const cases: [string | undefined, string][] = [
    [undefined, "no token"],
    [token, "not of the form"],
    ["Basic abc", "not of the form"],
    ["Bearer a.b.c", "malformed"],
    [`Bearer ${other}`, "another key"],
    [`Bearer ${elsewhere}`, "another organism"],
    [`Bearer ${none}`, "algorithm"],
    [`Bearer ${head}.${Buffer.from('{"sub":"eve"}').toString("base64url")}.${signature}`, "another key"],
  ];
  for (const [header, reason] of cases) {
    const error = await refusal(header);
    expect(error.code).toBe("UNAUTHENTICATED");
    expect(error.message).toContain(reason);
    expect(error.message).not.toContain(signature);
  }
  expect((await refusal(`Bearer ${token}`, { nowMs: Date.now() + 120_000 })).message).toContain("expired");
});

test("admin reads and operates but never approves; operate does not read", () => {
  expect(allows(new Set(["admin"]), "read")).toBe(true);
  expect(allows(new Set(["admin"]), "operate")).toBe(true);
  expect(allows(new Set(["admin"]), "approve")).toBe(false);
  expect(allows(new Set(["operate"]), "read")).toBe(false);
  expect(() => requireScope({ subject: "ada", scopes: new Set(["read"]) }, "admin")).toThrow(
    'needs the scope "admin"; the token of "ada" has read',
  );
});

test("a service cannot approve: not when minted, not when somebody signed it all the same", async () => {
  const service = { ...base, subject: "service:core", scopes: ["read", "approve"] as Scope[] };
  await expect(mintToken(pair.privateJwk, service)).rejects.toThrow("cannot carry");
  const { importJWK, SignJWT } = await import("jose");
  const forged = await new SignJWT({ scope: "read approve" })
    .setProtectedHeader({ alg: "EdDSA" })
    .setSubject("service:core")
    .setAudience(audienceOf("test"))
    .setExpirationTime("1h")
    .sign(await importJWK(pair.privateJwk as Parameters<typeof importJWK>[0], "EdDSA"));
  expect(await verifierAt({ nowMs: Date.now() }).verify(`Bearer ${forged}`)).toEqual({
    subject: "service:core",
    scopes: new Set(["read"]),
  });
});

test("the key file is private, lasting, and a damaged one is an error rather than a new key", () => {
  const folder = mkdtempSync(join(tmpdir(), "seedcore-auth-"));
  try {
    const file = join(folder, "key.jwk");
    const first = readOrCreateKeyPair(file);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readOrCreateKeyPair(file)).toEqual(first);
    writeFileSync(file, "{}");
    expect(() => readOrCreateKeyPair(file)).toThrow("does not hold an Ed25519");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
