/** Which procedure an address means, worked out from the contracts once. */
import { type Contract, type Procedure, pathParameters } from "#core/contract.ts";
import { ServiceError } from "#core/service-error.ts";

export interface Route {
  readonly contract: Contract;
  readonly procedure: Procedure;
  /** Segments of the path below the service; undefined takes anything. */
  readonly segments: readonly (string | undefined)[];
  /** Which segment picks the shard; -1 when none does. */
  readonly shardSegment: number;
}

export interface RouteMatch {
  readonly route: Route;
  /** The value that picks the shard, decoded. */
  readonly shardKey: string | undefined;
}

export class RouteTable {
  /** service → `<method> <number of segments>` → routes, the more literal first */
  readonly #services = new Map<string, Map<string, Route[]>>();

  constructor(contracts: readonly Contract[]) {
    for (const contract of contracts) {
      const table = new Map<string, Route[]>();
      for (const procedure of Object.values(contract.procedures)) {
        const route = toRoute(contract, procedure);
        const key = `${procedure.method} ${route.segments.length}`;
        table.set(key, [...(table.get(key) ?? []), route].sort(byLiteralness));
      }
      this.#services.set(contract.name, table);
    }
  }

  /** Whether the address is below a service, whatever follows. */
  isOfService(url: string): boolean {
    return this.#services.has(firstSegment(url));
  }

  /** @throws ServiceError MALFORMED when the shard's value is wrongly percent-encoded */
  find(method: string, url: string): RouteMatch | undefined {
    const query = url.indexOf("?");
    const parts = (query === -1 ? url : url.slice(0, query)).split("/");
    const routes = this.#services.get(parts[1] ?? "")?.get(`${method} ${parts.length - 2}`);
    if (routes === undefined) return undefined;
    for (const route of routes) {
      if (!matches(route, parts)) continue;
      const raw = route.shardSegment === -1 ? undefined : parts[route.shardSegment + 2];
      return { route, shardKey: raw === undefined ? undefined : decoded(raw) };
    }
    return undefined;
  }
}

function firstSegment(url: string): string {
  for (let end = 1; end < url.length; end++) {
    const code = url.charCodeAt(end);
    // "/" and "?"
    if (code === 47 || code === 63) return url.slice(1, end);
  }
  return url.slice(1);
}

function toRoute(contract: Contract, procedure: Procedure): Route {
  const literal = procedure.path === "/" ? [] : procedure.path.split("/").slice(1);
  const names = literal.map((segment) => (segment.startsWith("{") ? pathParameters(segment)[0] : undefined));
  return {
    contract,
    procedure,
    segments: literal.map((segment, index) => (names[index] === undefined ? segment : undefined)),
    shardSegment: procedure.shardBy === undefined ? -1 : names.indexOf(procedure.shardBy),
  };
}

/** `/incidents/live` before `/incidents/{id}`: the first segment that differs decides. */
function byLiteralness(a: Route, b: Route): number {
  for (let i = 0; i < a.segments.length; i++) {
    const difference = Number(a.segments[i] === undefined) - Number(b.segments[i] === undefined);
    if (difference !== 0) return difference;
  }
  return 0;
}

function matches({ segments }: Route, parts: readonly string[]): boolean {
  for (let i = 0; i < segments.length; i++) {
    const wanted = segments[i];
    const given = parts[i + 2];
    if (wanted === undefined ? given === "" : wanted !== given) return false;
  }
  return true;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new ServiceError("MALFORMED", `"${text}" is not correctly percent-encoded.`, { cause });
  }
}
