import { z } from "zod";
import type { coordinator } from "#contracts/coordinator.ts";
import type { Client } from "#runtime/client/client.ts";
import { ORGANS } from "../organs.ts";
import { defineSkill, type Skill } from "../skill.ts";

const MINUTE_MS = 60_000;

/** Keeps some series from opening incidents for a time; taken back, ends that. */
export function silence(client: Pick<Client<typeof coordinator>, "addSilence" | "removeSilence" | "silences">): Skill {
  return defineSkill({
    name: "silence",
    summary: "Keeps some series from opening incidents for a time; they are scored all the same.",
    organ: ORGANS.utility.id,
    risk: "low",
    idempotent: true,
    timeoutMs: 10_000,
    effectCheck: "The coordinator lists the silence.",
    remedies: [],
    repairs: false,
    targetParam: "series",
    canUndo: true,
    params: z.strictObject({
      /** A pattern with `*` over `<source>/<series>`. */
      series: z.string().min(1).max(200),
      minutes: z
        .number()
        .positive()
        .max(7 * 24 * 60)
        .default(60),
      reason: z.string().max(1_000).default(""),
      /** Of one that is ended instead. */
      ends: z.string().max(100).optional(),
    }),
    async execute({ series, minutes, reason, ends }, { clock, taskId }) {
      if (ends !== undefined) {
        await client.removeSilence({ id: ends });
        const evidence = `${series} may open incidents again (${ends} has ended).`;
        return { result: { id: ends, ended: true }, effect: { state: "confirmed", evidence } };
      }
      const why = reason === "" ? `Task ${taskId}` : `${reason} (task ${taskId})`;
      const wanted = { series, toMs: Math.round(clock.now() + minutes * MINUTE_MS), reason: why };
      // Of a task that is tried again there is one already.
      const before = (await client.silences({})).silences.find((one) => one.series === series && one.reason === why);
      const { id, toMs } = before ?? (await client.addSilence(wanted));
      return {
        result: { id, toMs },
        effect: { state: "confirmed", evidence: `${series} is silent until ${new Date(toMs).toISOString()} (${id}).` },
        undo: { skill: "silence", params: { series, ends: id } },
      };
    },
  });
}
