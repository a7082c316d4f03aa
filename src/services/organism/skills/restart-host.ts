import { z } from "zod";
import { ORGANS } from "../organs.ts";
import { defineSkill, type Skill } from "../skill.ts";
import { change, effectOf, hostOf, type Platform } from "./platform.ts";

/** Replaces a host's replicas, new before old. */
export function restartHost(platform: Platform): Skill {
  return defineSkill({
    name: "restart-host",
    summary: "Replaces every replica of a host, new before old, without a failed request.",
    organ: ORGANS.actuator.id,
    risk: "high",
    idempotent: false,
    timeoutMs: 120_000,
    effectCheck: "The engine shows as many new replicas ready as are wanted, and none of the old ones left.",
    remedies: ["latency", "errors", "memory", "crash"],
    repairs: true,
    targetParam: "host",
    canUndo: false,
    params: z.strictObject({ host: z.string().min(1).max(60) }),
    async execute({ host }, context) {
      const before = new Set((hostOf(platform.engineStatus(), host)?.replicas ?? []).map(({ id }) => id));
      const { generation } = await change(platform, host, () => platform.desired.restart(host));
      const effect = await effectOf(platform, context, host, (status) => {
        const fresh = status.replicas.filter(({ id, state }) => !before.has(id) && state.kind === "ready");
        // When it replaces its own host, the old replica that is left is this one, waiting to say so.
        const old = status.replicas.filter(
          ({ id, state }) => before.has(id) && state.kind !== "stopped" && id !== platform.replicaId,
        );
        return status.generation >= generation && fresh.length >= status.spec.replicas && old.length === 0;
      });
      return {
        result: { host, generation },
        effect,
        change: { kind: "restart", target: host, summary: `Host ${host} was restarted (generation ${generation}).` },
      };
    },
  });
}
