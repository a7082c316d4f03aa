/** Which addresses a request to a URL that a user gave may go to. Checked after name resolution, on every connection. */
import { lookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { ServiceError } from "#core/service-error.ts";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8);
loopback.addAddress("::1", "ipv6");

/** Ranges that lead into somebody's own network, to a cloud's metadata, or nowhere. */
const inner = new BlockList();
for (const [network, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
] as const) {
  inner.addSubnet(network, bits);
}
for (const [network, bits] of [
  // The last 32 bits are an IPv4 address, or for 6to4 the second 32, whatever that is.
  ["::", 96],
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
] as const) {
  inner.addSubnet(network, bits, "ipv6");
}

/** Whether `address` may be asked without `allowPrivate`: public ones and this machine's own loopback. */
export function isAllowedAddress(address: string): boolean {
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  return loopback.check(address, family) || !inner.check(address, family);
}

export function addressRefused(host: string, address: string): ServiceError {
  const where = host === address ? address : `${host} (${address})`;
  return new ServiceError(
    "FORBIDDEN",
    `${where} is an address of a private network, which is not asked unless that is allowed. Set allowPrivate if it is meant.`,
  );
}

/** Refuses a URL that is not HTTP(S) or whose host is a refused address. Names are checked by `guardedLookup`. */
export function checkOutgoingUrl(text: string, allowPrivate: boolean): URL {
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new ServiceError("INVALID_INPUT", `${text} is not an address that can be asked: use http:// or https://.`);
  }
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (!allowPrivate && isIP(host) !== 0 && !isAllowedAddress(host)) throw addressRefused(host, host);
  return url;
}

/** Resolves a name for a connection and refuses it when any of its addresses is refused: a name cannot smuggle one in. */
export const guardedLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, "", 4);
    const refused = addresses.find(({ address }) => !isAllowedAddress(address));
    if (refused !== undefined) return callback(addressRefused(hostname, refused.address), "", 4);
    if (options.all === true) return callback(null, addresses);
    const [first] = addresses;
    return callback(null, first?.address ?? "", first?.family ?? 4);
  });
};
