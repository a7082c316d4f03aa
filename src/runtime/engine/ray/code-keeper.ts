/** Keeps the code of an organism's hosts on the cluster, and says whose is gone: Ray drops a package that nobody uses. */
import type { Clock } from "#core/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { type DesiredGeneration, type DesiredHost, generationsOf } from "../desired-state.ts";
import { isOwnHost } from "../host-spec.ts";
import { type ApplicationName, depositKey } from "./application-name.ts";
import type { Codeless, Observed } from "./observation.ts";
import type { Plan } from "./plan.ts";
import type { Serve } from "./serve.ts";

export interface CodeKeeperDeps {
  readonly serve: Pick<Serve, "keep">;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface CodeKeeper {
  /** Keeps every host's for ten minutes more, also of who has no replica now, and of what may be gone back to. Never rejects. */
  keep(wanted: readonly DesiredHost[]): Promise<void>;
  /** The plan without what would start a replica whose code the cluster no longer has. */
  cleared(next: Plan<Observed>, wanted: readonly DesiredHost[]): Promise<Plan<Observed>>;
  /** What the plan was cleared of last. */
  missing(): readonly Codeless[];
}

export function createCodeKeeper({ serve, clock, log }: CodeKeeperDeps): CodeKeeper {
  let missing: readonly Codeless[] = [];
  return {
    missing: () => missing,
    async keep(wanted) {
      const specs = wanted.flatMap((host) => [
        ...generationsOf(host).map(({ spec }) => spec),
        ...(host.previous === undefined ? [] : [host.previous]),
      ]);
      for (const uri of new Set(specs.map((spec) => spec.package))) {
        await serve
          .keep(uri)
          .catch((error: unknown) => log.warn({ err: error, package: uri }, "a package is not kept"));
      }
    },
    async cleared(next, wanted) {
      const before = missing;
      const found: Codeless[] = [];
      const hasCode = async (name: ApplicationName, packageUri: unknown): Promise<boolean> => {
        if (typeof packageUri !== "string" || (await serve.keep(packageUri))) return true;
        const known = before.find((one) => depositKey(one) === depositKey(name));
        found.push(known ?? { ...name, sinceMs: clock.now(), reason: howToBring(name.host, wanted) });
        return false;
      };
      const start: DesiredGeneration[] = [];
      for (const one of next.start) {
        const { name: host, version, package: uri } = one.spec;
        if (await hasCode({ host, version, generation: one.generation }, uri)) start.push(one);
      }
      const scale: Plan<Observed>["scale"][number][] = [];
      for (const one of next.scale) {
        const { host, version, generation, config, targetReplicas } = one.application;
        const isLess = one.replicas < targetReplicas;
        if (isLess || (await hasCode({ host, version, generation }, config.runtime_env?.["working_dir"])))
          scale.push(one);
      }
      missing = found;
      return { ...next, start, scale };
    },
  };
}

function howToBring(host: string, wanted: readonly DesiredHost[]): string {
  const spec = wanted.find((one) => one.spec.name === host)?.spec;
  const command = spec !== undefined && isOwnHost(spec) ? "seedcore deploy FOLDER" : "seedcore up";
  return `the cluster no longer has its code, since Ray drops what nobody uses; bring it again: ${command}`;
}
