import { z } from "zod";
import { ORGANS } from "../organs.ts";
import { defineSkill, type Skill } from "../skill.ts";
import { change, effectOf, hostOf, type Platform } from "./platform.ts";

/** Makes of a host what it was before its last change. */
export function rollBackHost(platform: Platform): Skill {
  return defineSkill({
    name: "roll-back-host",
    summary:
      "Puts the previous version of a host in the place of the present one, new before old, without a failed request.",
    organ: ORGANS.actuator.id,
    risk: "high",
    idempotent: false,
    timeoutMs: 120_000,
    effectCheck: "The engine shows as many replicas of the previous version ready as are wanted, and no others.",
    remedies: ["change"],
    repairs: true,
    targetParam: "host",
    canUndo: true,
    params: z.strictObject({ host: z.string().min(1).max(60) }),
    async execute({ host }, context) {
      const from = hostOf(platform.engineStatus(), host)?.spec.version ?? "";
      const { generation, spec } = await change(platform, host, () => platform.desired.rollBack(host));
      const effect = await effectOf(platform, context, host, (status) => {
        const ready = status.replicas.filter(({ state }) => state.kind === "ready");
        return (
          status.generation >= generation &&
          ready.length === status.spec.replicas &&
          ready.every(({ version }) => version === spec.version)
        );
      });
      return {
        result: { host, generation, version: spec.version, previous: from },
        effect,
        undo: { skill: "roll-back-host", params: { host } },
        change: {
          kind: "rollback",
          target: host,
          summary: `Host ${host} was rolled back from version ${from} to ${spec.version}.`,
        },
      };
    },
  });
}
