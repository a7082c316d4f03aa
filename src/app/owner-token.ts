/** The first token: made at the first start, all scopes, in a file only its owner reads. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { systemClock } from "#core/clock.ts";
import type { KeyPair } from "#runtime/auth/key-pair.ts";
import { audienceOf, mintToken } from "#runtime/auth/token.ts";
import { createVerifier } from "#runtime/auth/verifier.ts";
import type { Home } from "./home.ts";

const DAY_MS = 24 * 3_600_000;
const LIFE_MS = 365 * DAY_MS;
/** One with less time left is replaced at the next start. */
const LEAST_LEFT_MS = 60 * DAY_MS;

/** The token in the organism's token file; a missing, foreign or nearly expired one is replaced. */
export async function ensureOwnerToken(home: Home, keys: KeyPair): Promise<string> {
  const present = await readGood(home, keys);
  if (present !== undefined) return present;
  const token = await mintToken(keys.privateJwk, {
    subject: "owner",
    scopes: ["read", "operate", "approve", "admin"],
    namespace: home.namespace,
    ttlMs: LIFE_MS,
  });
  const temporary = `${home.tokenFile}.${process.pid}`;
  writeFileSync(temporary, `${token}\n`, { mode: 0o600 });
  renameSync(temporary, home.tokenFile);
  return token;
}

async function readGood(home: Home, keys: KeyPair): Promise<string | undefined> {
  const later = { now: () => systemClock.now() + LEAST_LEFT_MS };
  try {
    const token = readFileSync(home.tokenFile, "utf8").trim();
    await createVerifier(keys.publicJwk, audienceOf(home.namespace), later).verify(`Bearer ${token}`);
    return token;
  } catch {
    // Whatever is wrong with it, a new one is right.
    return undefined;
  }
}
