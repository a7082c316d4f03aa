import { z } from "zod";
import { ORGANS } from "../organs.ts";
import { defineSkill, type Skill } from "../skill.ts";
import { change, effectOf, hostOf, type Platform, wantedOf } from "./platform.ts";

/** Sets how many replicas of a host run. */
export function scaleHost(platform: Platform): Skill {
  return defineSkill({
    name: "scale-host",
    summary: "Sets how many replicas of a host should run.",
    organ: ORGANS.actuator.id,
    risk: "low",
    idempotent: true,
    timeoutMs: 120_000,
    effectCheck: "The engine shows exactly the wanted number of replicas ready, and none other left.",
    remedies: ["load", "latency"],
    repairs: true,
    targetParam: "host",
    canUndo: true,
    params: z.strictObject({ host: z.string().min(1).max(60), replicas: z.int().min(1).max(64) }),
    async undoOf({ host, replicas }) {
      const previous = (await wantedOf(platform, host))?.spec.replicas ?? replicas;
      return previous === replicas ? null : { skill: "scale-host", params: { host, replicas: previous } };
    },
    async execute({ host, replicas }, context) {
      const previous = hostOf(platform.engineStatus(), host)?.spec.replicas ?? null;
      await change(platform, host, () => platform.desired.scale(host, replicas));
      const effect = await effectOf(platform, context, host, (status) => {
        const others = status.replicas.filter(({ id, state }) => state.kind !== "stopped" && id !== platform.replicaId);
        const own = status.replicas.filter(({ id }) => id === platform.replicaId);
        const ready = [...others, ...own].filter(({ state }) => state.kind === "ready");
        return ready.length === replicas && others.every(({ state }) => state.kind === "ready");
      });
      const from = previous === null ? "" : ` from ${previous}`;
      return {
        result: { host, replicas, previous },
        effect,
        change: { kind: "scale", target: host, summary: `Host ${host} was scaled${from} to ${replicas} replicas.` },
      };
    },
  });
}
