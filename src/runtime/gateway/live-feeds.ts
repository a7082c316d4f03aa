/** The feeds that are open at a gateway. */
import { ServiceError } from "#core/service-error.ts";
import type { Routed, RouteTable } from "../http/route-table.ts";
import { type Followed, LiveFeed, type LiveParts, type Reader } from "./live-feed.ts";

const MOST_FEEDS = 200;
const MOST_FOLLOWED = 64;
/** What a request line can have; the query's own encoding is taken off by then. */
const REQUESTED = /^\/[!"$-~]*$/;

export class LiveFeeds {
  readonly #parts: LiveParts;
  readonly #open = new Set<LiveFeed>();

  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  /** @throws ServiceError OVERLOADED when too many are open */
  open(reader: Reader, followed: readonly Followed[]): void {
    if (this.#open.size >= MOST_FEEDS) {
      throw new ServiceError("OVERLOADED", `${MOST_FEEDS} feeds are open already, the most this gateway has.`, {
        retryAfterMs: 5_000,
      });
    }
    const feed = new LiveFeed(this.#parts, reader);
    this.#open.add(feed);
    void feed.run(followed).finally(() => this.#open.delete(feed));
  }

  endAll(): void {
    for (const feed of this.#open) feed.end();
  }
}

/**
 * What the addresses of a request are.
 * @param of as its query has them: one, several or none
 * @throws ServiceError INVALID_INPUT, MALFORMED
 */
export function toFollowed(of: string | readonly string[] | undefined, table: RouteTable<Routed>): Followed[] {
  const paths = of === undefined ? [] : [of].flat();
  if (paths.length === 0 || paths.length > MOST_FOLLOWED) {
    throw new ServiceError(
      "INVALID_INPUT",
      `${paths.length} addresses are to be followed: name 1 to ${MOST_FOLLOWED}, each as ?of=/service/path.`,
    );
  }
  return paths.map((path) => {
    const match = REQUESTED.test(path) ? table.find("GET", path) : undefined;
    if (match !== undefined) return { path, match };
    throw new ServiceError(
      "INVALID_INPUT",
      `"${path}" cannot be followed: no procedure has that address with GET, percent-encoded as in a request of its own.`,
    );
  });
}
