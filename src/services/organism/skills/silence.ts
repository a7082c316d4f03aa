import { z } from "zod";
import type { coordinator } from "#contracts/coordinator.ts";
import type { Client } from "#runtime/client/client.ts";
import { ORGANS } from "../organs.ts";
import { defineSkill, type Skill } from "../skill.ts";

const MINUTE_MS = 60_000;

/** Keeps some series from opening incidents for a time. */
export function silence(client: Pick<Client<typeof coordinator>, "addSilence" | "silences">): Skill {
  return defineSkill({
    name: "silence",
    summary: "Keeps some series from opening incidents for a time; they are scored all the same.",
    organ: ORGANS.utility.id,
    risk: "low",
    idempotent: true,
    timeoutMs: 10_000,
    effectCheck: "The coordinator lists the silence.",
    remedies: [],
    targetParam: "series",
    canUndo: false,
    params: z.strictObject({
      /** A pattern with `*` over `<source>/<series>`. */
      series: z.string().min(1).max(200),
      minutes: z
        .number()
        .positive()
        .max(7 * 24 * 60)
        .default(60),
      reason: z.string().max(1_000).default(""),
    }),
    async execute({ series, minutes, reason }, { clock, taskId }) {
      const why = reason === "" ? `Task ${taskId}` : `${reason} (task ${taskId})`;
      const wanted = { series, toMs: Math.round(clock.now() + minutes * MINUTE_MS), reason: why };
      // Of a task that is tried again there is one already.
      const before = (await client.silences({})).silences.find((one) => one.series === series && one.reason === why);
      const { id, toMs } = before ?? (await client.addSilence(wanted));
      return {
        result: { id, toMs },
        effect: { state: "confirmed", evidence: `${series} is silent until ${new Date(toMs).toISOString()} (${id}).` },
      };
    },
  });
}
