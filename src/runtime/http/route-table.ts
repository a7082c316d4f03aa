/** Which procedure an address means, worked out from the contracts once. */
import { type Contract, type Procedure, pathParameters } from "#core/contract.ts";
import { ServiceError } from "#core/service-error.ts";

/** What an address can lead to. */
export interface Routed {
  readonly contract: Contract;
  readonly procedure: Procedure;
}

export interface RouteMatch<R extends Routed> {
  readonly to: R;
  /** The parameters of the path, decoded. */
  readonly parameters: Readonly<Record<string, string>>;
}

interface Segment {
  /** What it must be; undefined takes anything. */
  readonly literal: string | undefined;
  /** The parameter it is. */
  readonly name: string;
}

interface Route<R> {
  readonly to: R;
  /** Of the path below the service. */
  readonly segments: readonly Segment[];
}

export class RouteTable<R extends Routed> {
  /** service → `<method> <number of segments>` → routes, the more literal first */
  readonly #services = new Map<string, Map<string, Route<R>[]>>();

  constructor(routed: readonly R[]) {
    for (const to of routed) {
      const { name } = to.contract;
      let table = this.#services.get(name);
      if (table === undefined) this.#services.set(name, (table = new Map()));
      const route = { to, segments: segmentsOf(to.procedure.path) };
      const key = `${to.procedure.method} ${route.segments.length}`;
      table.set(key, [...(table.get(key) ?? []), route].sort(byLiteralness));
    }
  }

  /** Whether the address is below a service, whatever follows. */
  isOfService(url: string): boolean {
    return this.#services.has(firstSegment(url));
  }

  /** @throws ServiceError MALFORMED when a parameter is wrongly percent-encoded */
  find(method: string, url: string): RouteMatch<R> | undefined {
    const query = url.indexOf("?");
    const parts = (query === -1 ? url : url.slice(0, query)).split("/");
    const routes = this.#services.get(parts[1] ?? "")?.get(`${method} ${parts.length - 2}`);
    const route = routes?.find((one) => matches(one, parts));
    return route && { to: route.to, parameters: parametersOf(route, parts) };
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

function segmentsOf(path: string): Segment[] {
  if (path === "/") return [];
  return path
    .split("/")
    .slice(1)
    .map((text) => {
      const name = text.startsWith("{") ? pathParameters(text)[0] : undefined;
      return name === undefined ? { literal: text, name: "" } : { literal: undefined, name };
    });
}

/** `/incidents/live` before `/incidents/{id}`: the first segment that differs decides. */
function byLiteralness(a: Route<unknown>, b: Route<unknown>): number {
  for (let i = 0; i < a.segments.length; i++) {
    const difference = Number(a.segments[i]?.literal === undefined) - Number(b.segments[i]?.literal === undefined);
    if (difference !== 0) return difference;
  }
  return 0;
}

function matches({ segments }: Route<unknown>, parts: readonly string[]): boolean {
  for (let i = 0; i < segments.length; i++) {
    const wanted = segments[i]?.literal;
    const given = parts[i + 2];
    if (wanted === undefined ? given === "" : wanted !== given) return false;
  }
  return true;
}

function parametersOf({ segments }: Route<unknown>, parts: readonly string[]): Record<string, string> {
  const parameters: Record<string, string> = {};
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i];
    if (segment?.literal === undefined && segment !== undefined) parameters[segment.name] = decoded(parts[i + 2] ?? "");
  }
  return parameters;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new ServiceError("MALFORMED", `"${text}" is not correctly percent-encoded.`, { cause });
  }
}
