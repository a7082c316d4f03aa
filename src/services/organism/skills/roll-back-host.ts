import { z } from "zod";
import { ORGANS } from "../organs.ts";
import { defineSkill, type Skill, SkillFailed } from "../skill.ts";
import { change, effectOf, type Platform, wantedOf } from "./platform.ts";

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
    params: z.strictObject({
      host: z.string().min(1).max(60),
      /** The version it must lead to; nothing is changed when the host has that. Whatever was before, when left out. */
      to: z.string().max(200).optional(),
    }),
    async undoOf({ host }) {
      const present = (await wantedOf(platform, host))?.spec.version;
      return present === undefined ? null : { skill: "roll-back-host", params: { host, to: present } };
    },
    async execute({ host, to }, context) {
      const present = await change(platform, host, () => wantedOf(platform, host));
      const from = present?.spec.version ?? "";
      const isThere = to !== undefined && present !== undefined && from === to;
      const before = present?.previous?.version;
      if (to !== undefined && present !== undefined && !isThere && before !== to) {
        const why = `Host ${host} cannot go back to version ${to}: it is ${from}, and the one before is ${before ?? "unknown"}.`;
        throw new SkillFailed(why, false);
      }
      const { generation, spec } = isThere
        ? present
        : await change(platform, host, () => platform.desired.rollBack(host));
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
        ...(isThere
          ? {}
          : {
              change: {
                kind: "rollback",
                target: host,
                summary: `Host ${host} was rolled back from version ${from} to ${spec.version}.`,
              },
            }),
      };
    },
  });
}
