import { readFileSync } from "node:fs";
import { coordinator } from "#contracts/coordinator.ts";
import { ml } from "#contracts/ml.ts";
import { ServiceError } from "#core/service-error.ts";
import type { ServiceFactory } from "#runtime/host/service-context.ts";
import { isOwnHost } from "#runtime/engine/host-spec.ts";
import { outboxSchema } from "#runtime/storage/outbox-schema.ts";
import { createOutbox } from "#runtime/storage/outbox-store.ts";
import { createCallHistory } from "./call-history.ts";
import { TelemetryConfig } from "./config.ts";
import { createHostSampler, type ReadProc } from "./host-sampler.ts";
import { createLoadFetcher } from "./load-fetcher.ts";
import { connectPrometheus } from "./prometheus-api.ts";
import { prometheusSource } from "./prometheus-source.ts";
import { sampledSource } from "./sampled-source.ts";
import { CHANGE_TOPIC, type ReportedChange, telemetryService } from "./service.ts";
import { createServicesSampler } from "./services-sampler.ts";
import type { OpenSource } from "./source-set.ts";
import { createSourceStore, SOURCE_SCHEMAS } from "./store.ts";

export const create: ServiceFactory = async (context) => {
  const { clock, ids, random, log, topology, metrics } = context;
  const config = TelemetryConfig.parse(context.config ?? {});
  const database = await context.database("seedcore", [...SOURCE_SCHEMAS, outboxSchema]);
  const outbox = createOutbox({ db: database, owner: "telemetry", clock, random, log, metrics });
  const coordinatorClient = context.client(coordinator);
  outbox.deliver(CHANGE_TOPIC, async ({ id, body }) => {
    await coordinatorClient.reportChange(body as ReportedChange, { idempotencyKey: id, priority: "background" });
  });
  const calls = createCallHistory();
  const isOwn = (service: string) =>
    context.engineStatus().hosts.some(({ spec }) => isOwnHost(spec) && spec.services.includes(service));
  const { fetchLoad, close } = createLoadFetcher(() => context.token());

  let told: ReadonlyMap<string, number> = new Map();
  const keepMemory = (residentBytes: typeof told) => void (told = residentBytes);

  const open: OpenSource = (spec) => {
    switch (spec.kind) {
      case "host":
        return { source: sampledSource(createHostSampler(readProc), spec.intervalMs) };
      case "services":
        return {
          source: sampledSource(
            createServicesSampler({ clock, topology, fetchLoad, isOwn, record: calls.add, keepMemory }),
            spec.intervalMs,
          ),
        };
      case "prometheus": {
        const authorization = spec.secret === undefined ? undefined : secretOf(config, spec.secret);
        const server = connectPrometheus({ url: spec.url, allowPrivate: spec.allowPrivate, authorization });
        return { source: prometheusSource(spec, server.queryRange), close: () => server.close() };
      }
    }
  };

  return telemetryService(
    {
      clock,
      ids,
      random,
      log,
      outbox,
      ml: context.client(ml),
      namespace: context.namespace,
      store: createSourceStore(database),
      database,
      open,
      engineStatus: () => context.engineStatus(),
      desired: context.desired,
      calls,
      // Of another machine's process only what it told last is known.
      residentBytes: ({ id, pid, node }) =>
        node === undefined ? (pid === undefined ? null : residentBytes(pid)) : (told.get(id) ?? null),
      close,
    },
    { ...config, startedAtMs: config.startedAtMs ?? clock.now() },
  );
};

/** Files of /proc are made in memory: reading one takes microseconds and cannot wait for a disk. */
const readProc: ReadProc = (path) => {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
};

function residentBytes(pid: number): number | null {
  // Not statm: that counts pages, whose size Node cannot tell.
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(`/proc/${pid}/status`) ?? "")?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1_024;
}

function secretOf(config: Pick<TelemetryConfig, "secrets">, name: string): string {
  const secret = config.secrets[name];
  if (secret !== undefined) return secret;
  throw new ServiceError(
    "INVALID_INPUT",
    `The source names the secret ${name}, which is not set. Start the organism with SEEDCORE_SECRET_${name} in its environment.`,
  );
}
