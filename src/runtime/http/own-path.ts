/** The addresses that hosts and gateways have beside those of services: all below `/-/`. */

/** The path, without its query, of an address of our own; empty for all others. */
export function ownPathOf(url: string): string {
  return url.startsWith("/-/") ? pathOf(url) : "";
}

/** Without its query. */
export function pathOf(url: string): string {
  const end = url.indexOf("?");
  return end === -1 ? url : url.slice(0, end);
}

/** What anybody may ask, without a token: whether the process lives, and whether it is ready. Undefined for all else. */
export function probeOf(url: string): "health" | "ready" | undefined {
  const path = ownPathOf(url);
  if (path === "/-/health") return "health";
  return path === "/-/ready" ? "ready" : undefined;
}
