/** Ray Serve as its REST shows it, in memory: what its PUT does to applications, and nothing of what makes them run. */
import type { RestExchange } from "#runtime/ray/rest/transport.ts";

export interface FakeApplication {
  readonly name: string;
  source: "declarative" | "imperative";
  status: string;
  route_prefix: string | null;
  deployed_app_config: Record<string, unknown> | null;
  external_scaler_enabled: boolean;
  deployments: Record<string, FakeDeployment>;
}

interface FakeDeployment {
  readonly name: string;
  readonly status: string;
  target_num_replicas: number;
  /** None unless a test puts them there. */
  replicas?: readonly { readonly replica_id: string; readonly state: string }[];
}

export interface FakeServe {
  readonly applications: Map<string, FakeApplication>;
  readonly puts: Record<string, unknown>[];
  readonly exchange: RestExchange;
  /** Runs right after each read, as another writer would. */
  afterRead: () => void;
  /** Runs right after each PUT. */
  afterPut: () => void;
  /** What the next PUT is refused with. */
  refusal: string | undefined;
  /** Of the actors that Ray knows, Serve's: none before the first PUT, and it stays in the list when it is dead. */
  controller: "none" | "ALIVE" | "DEAD";
  /** Whether the head does not find the controller, which runs all the same. */
  isOutOfSight: boolean;
}

/** What Ray says when Serve does not run. */
const EMPTY = '{"controller_info": {}, "proxies": {}, "applications": {}, "target_capacity": null}';

interface Config {
  readonly name: string;
  readonly route_prefix?: string;
  readonly external_scaler_enabled?: boolean;
  readonly deployments?: readonly { readonly name: string; readonly num_replicas?: number }[];
}

type Actor = Readonly<Record<string, string>>;

/** Somebody else's actor, and Serve's controller when there was one. */
function actorsWith(controller: FakeServe["controller"]): readonly Actor[] {
  const other = { actor_id: "b", class_name: "Counter", name: "words", ray_namespace: "serve", state: "ALIVE" };
  if (controller === "none") return [other];
  const names = { class_name: "ServeController", name: "SERVE_CONTROLLER_ACTOR", ray_namespace: "serve" };
  return [other, { actor_id: "a", ...names, state: controller }];
}

/** As the state API filters: what fulfils every one of its three parallel lists. */
function matching(actors: readonly Actor[], query: URLSearchParams): readonly Actor[] {
  const [keys, values] = [query.getAll("filter_keys"), query.getAll("filter_values")];
  const isEqual = query.getAll("filter_predicates").map((predicate) => predicate === "=");
  return actors.filter((actor) => keys.every((key, at) => (actor[key] === values[at]) === isEqual[at]));
}

export function createFakeServe(): FakeServe {
  const applications = new Map<string, FakeApplication>();
  const puts: Record<string, unknown>[] = [];

  function put(config: Config): void {
    const present = applications.get(config.name);
    const names = new Set([
      ...(config.deployments ?? []).map(({ name }) => name),
      ...Object.keys(present?.deployments ?? {}),
    ]);
    applications.set(config.name, {
      name: config.name,
      source: "declarative",
      status: "RUNNING",
      route_prefix: config.route_prefix ?? null,
      deployed_app_config: config as unknown as Record<string, unknown>,
      external_scaler_enabled: config.external_scaler_enabled ?? false,
      deployments: Object.fromEntries(
        [...names].map((name) => [
          name,
          {
            name,
            status: "HEALTHY",
            target_num_replicas: config.deployments?.find((one) => one.name === name)?.num_replicas ?? 1,
          },
        ]),
      ),
    });
  }

  const serve: FakeServe = {
    applications,
    puts,
    afterRead: () => {},
    afterPut: () => {},
    refusal: undefined,
    controller: "ALIVE",
    isOutOfSight: false,
    async exchange({ method, path, body }) {
      const answer = (status: number, text: string) => ({ status, headers: {}, body: Buffer.from(text) });
      const json = typeof body === "string" ? (JSON.parse(body) as Record<string, unknown>) : {};
      if (path.startsWith("/api/v0/actors")) {
        const result = matching(actorsWith(serve.controller), new URL(path, "http://head").searchParams);
        return answer(200, JSON.stringify({ data: { result: { result, num_filtered: result.length } } }));
      }
      const isSeen = serve.controller === "ALIVE" && !serve.isOutOfSight;
      if (method === "GET" && !isSeen) return answer(200, EMPTY);
      if (method === "GET") {
        const text = JSON.stringify({
          controller_info: { actor_id: "a" },
          proxy_location: "HeadOnly",
          http_options: { host: "127.0.0.1", port: 8123 },
          proxies: {},
          applications: Object.fromEntries(applications),
          target_capacity: null,
        });
        serve.afterRead();
        return answer(200, text);
      }
      if (method === "PUT") {
        puts.push(json);
        if (serve.refusal !== undefined) return answer(400, serve.refusal);
        serve.controller = "ALIVE";
        const wanted = json["applications"] as readonly Config[];
        for (const [name, { source }] of applications) {
          if (source === "declarative" && !wanted.some((config) => config.name === name)) applications.delete(name);
        }
        for (const config of wanted) put(config);
        serve.afterPut();
        return answer(200, "");
      }
      const [, application = "", deployment = ""] = /applications\/(.+)\/deployments\/(.+)\/scale$/.exec(path) ?? [];
      const found = applications.get(decodeURIComponent(application))?.deployments[decodeURIComponent(deployment)];
      if (found === undefined) return answer(404, '{"error":"not found"}');
      found.target_num_replicas = Number(json["target_num_replicas"]);
      return answer(200, "{}");
    },
  };
  return serve;
}
