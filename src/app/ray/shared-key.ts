/** The key an organism on Ray signs its tokens with: in the cluster's own store, so that whoever may use the cluster may use it. */
import { createKeyPair, type Jwk, type KeyPair } from "#runtime/auth/key-pair.ts";
import { mintToken } from "#runtime/auth/token.ts";
import type { ClusterStore } from "#runtime/ray/client/cluster-store.ts";

/** Of everything an organism keeps in the cluster's store. */
export function keyPrefix(namespace: string): string {
  return `seedcore/${namespace}/`;
}

export function keyName(namespace: string): string {
  return `${keyPrefix(namespace)}key`;
}

/** Makes the organism's key; gives the one there is when another was first: there is one however many ask at the same time. */
export async function makeSharedKey(store: ClusterStore, namespace: string): Promise<KeyPair> {
  const made = createKeyPair();
  const isFirst = await store.put(keyName(namespace), Buffer.from(JSON.stringify(made.privateJwk)));
  if (isFirst) return made;
  return (await readSharedKey(store, namespace)) ?? makeSharedKey(store, namespace);
}

/** Undefined where no organism of the namespace is up. */
export async function readSharedKey(store: ClusterStore, namespace: string): Promise<KeyPair | undefined> {
  const value = await store.get(keyName(namespace));
  if (value === undefined) return undefined;
  const privateJwk = JSON.parse(Buffer.from(value).toString()) as Jwk;
  const { d: _secret, ...publicJwk } = privateJwk;
  return { publicJwk, privateJwk };
}

/** A token with every scope, for the person who brought the organism up or reaches its cluster. */
export function mintOwnerToken({ privateJwk }: KeyPair, namespace: string, ttlMs: number): Promise<string> {
  return mintToken(privateJwk, {
    subject: "owner",
    scopes: ["read", "operate", "approve", "admin"],
    namespace,
    ttlMs,
  });
}
