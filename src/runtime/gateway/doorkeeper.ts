/** Which addresses and pages may talk to the gateway: what keeps a web page from reaching it through the browser. */
import { isIPv6 } from "node:net";
import { ServiceError } from "#core/service-error.ts";

const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];

/** Different Host headers remembered; more are checked each time. */
const MAX_REMEMBERED = 100;

/**
 * Checks the Host header against the allowed names, so that a name an attacker rebinds to loopback is refused, and an
 * Origin, which only browsers send, against the Host, so that pages of other origins are. The address this gateway
 * listens on is no name, so nobody can rebind it.
 */
export class Doorkeeper {
  readonly #allowed: ReadonlySet<string>;
  readonly #remembered = new Set<string>();

  /** @param allowed host names and addresses besides loopback's; a port after a name is passed over */
  constructor(allowed: readonly string[]) {
    this.#allowed = new Set([...LOOPBACK_NAMES, ...allowed.map(toName)]);
  }

  /** @throws ServiceError MISDIRECTED or FORBIDDEN */
  check(host: string | undefined, origin: string | undefined): void {
    if (host === undefined || !this.#isAllowed(host)) {
      const names = [...this.#allowed].join(", ");
      throw new ServiceError("MISDIRECTED", `This gateway does not answer to "${host ?? ""}", only to ${names}.`);
    }
    if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
      throw new ServiceError("FORBIDDEN", `Pages of ${origin} may not call this gateway.`);
    }
  }

  #isAllowed(host: string): boolean {
    if (this.#remembered.has(host)) return true;
    if (!this.#allowed.has(nameOf(host))) return false;
    if (this.#remembered.size < MAX_REMEMBERED) this.#remembered.add(host);
    return true;
  }
}

/** An allowed one as a Host header has it: an IPv6 address in brackets. */
function toName(allowed: string): string {
  return isIPv6(allowed) ? `[${allowed.toLowerCase()}]` : nameOf(allowed);
}

/** A Host header's name, lower case and without its port. */
function nameOf(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, "");
}
