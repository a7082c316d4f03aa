/** The Ed25519 key an organism signs its tokens with. */
import { generateKeyPairSync, type webcrypto } from "node:crypto";
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export type Jwk = webcrypto.JsonWebKey;

export interface KeyPair {
  readonly publicJwk: Jwk;
  readonly privateJwk: Jwk;
}

export function createKeyPair(): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return { publicJwk: publicKey.export({ format: "jwk" }), privateJwk: privateKey.export({ format: "jwk" }) };
}

/**
 * The key pair in `file`; the first time it is made, readable by its owner only (mode 0600) and durable on return. The file
 * appears as a whole: neither a full disk nor a kill leaves half a key that would stand in the way of the next start.
 * @throws Error when the file holds no Ed25519 key.
 */
export function readOrCreateKeyPair(file: string): KeyPair {
  const existing = readKeyPair(file);
  if (existing !== undefined) return existing;
  const pair = createKeyPair();
  const temporary = `${file}.${process.pid}`;
  try {
    writeFileSync(temporary, `${JSON.stringify(pair.privateJwk)}\n`, { mode: 0o600, flush: true });
    // Unlike a rename this does not replace a key that somebody else has made meanwhile.
    linkSync(temporary, file);
  } catch (error) {
    // Theirs counts.
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return readOrCreateKeyPair(file);
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  syncDirectory(dirname(file));
  return pair;
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The key pair in `file`, or undefined where there is no such file. @throws Error when it holds something else. */
export function readKeyPair(file: string): KeyPair | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const jwk = parseJwk(text);
  if (jwk === undefined) {
    throw new Error(
      `${file} does not hold an Ed25519 private key (JWK). Move it away; a new key makes old tokens void.`,
    );
  }
  const { d: _secret, ...publicJwk } = jwk;
  return { publicJwk, privateJwk: jwk };
}

function parseJwk(text: string): Jwk | undefined {
  try {
    const jwk = JSON.parse(text) as Partial<Jwk> | null;
    const isKey = jwk?.kty === "OKP" && jwk.crv === "Ed25519" && typeof jwk.d === "string" && typeof jwk.x === "string";
    return isKey ? (jwk as Jwk) : undefined;
  } catch {
    return undefined;
  }
}
