/** Ray Serve as its REST shows it, in memory: what its PUT does to applications, and nothing of what makes them run. */
import type { RestExchange } from "#runtime/ray/rest/transport.ts";

export interface FakeApplication {
  readonly name: string;
  source: "declarative" | "imperative";
  status: string;
  route_prefix: string | null;
  deployed_app_config: Record<string, unknown> | null;
  external_scaler_enabled: boolean;
  deployments: Record<string, { name: string; status: string; target_num_replicas: number }>;
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
}

interface Config {
  readonly name: string;
  readonly route_prefix?: string;
  readonly external_scaler_enabled?: boolean;
  readonly deployments?: readonly { readonly name: string; readonly num_replicas?: number }[];
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
    async exchange({ method, path, body }) {
      const answer = (status: number, text: string) => ({ status, headers: {}, body: Buffer.from(text) });
      const json = typeof body === "string" ? (JSON.parse(body) as Record<string, unknown>) : {};
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
