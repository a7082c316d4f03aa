/** Tells every host what runs, and on what: into the registry, which gives it to them. */
import type { ClusterStatus, EngineStatus } from "#runtime/engine/engine.ts";
import type { RayEngine } from "#runtime/engine/ray/ray-engine.ts";
import type { Registry } from "#runtime/engine/ray/registry.ts";

type ToldEngine = Pick<RayEngine, "status" | "applications">;

export interface TellingDeps {
  readonly registry: Pick<Registry, "deposit">;
  /** The engine of this host while it leads: nobody else tells. */
  engine(): ToldEngine | undefined;
  readCluster(applications: ReturnType<ToldEngine["applications"]>): Promise<ClusterStatus>;
}

export interface Telling {
  /** Tells what has changed since the last time; nothing while another host leads. */
  tell(): Promise<void>;
  /** Looks anew at what the organism is on; it is told with the next `tell`. */
  lookAtCluster(): Promise<void>;
}

export function createTelling({ registry, engine, readCluster }: TellingDeps): Telling {
  let cluster: ClusterStatus | undefined;
  let told = "";
  return {
    async tell() {
      const leading = engine();
      // Another may tell meanwhile.
      if (leading === undefined) told = "";
      if (leading === undefined) return;
      const status: EngineStatus = { ...leading.status(), cluster };
      const text = JSON.stringify(status);
      if (text === told) return;
      await registry.deposit({ engine: status });
      told = text;
    },
    async lookAtCluster() {
      const leading = engine();
      if (leading !== undefined) cluster = await readCluster(leading.applications());
    },
  };
}
