import { z } from "zod";
import { sleep } from "#core/clock.ts";
import { ORGANS } from "../organs.ts";
import { defineSkill } from "../skill.ts";

/** Does nothing: for trying the path of a task, and for measuring it. */
export const noop = defineSkill({
  name: "noop",
  summary: "Does nothing, for as long as asked: tries the path of a task.",
  organ: ORGANS.utility.id,
  risk: "none",
  idempotent: true,
  timeoutMs: 60_000,
  effectCheck: "None is needed: there is no effect.",
  remedies: [],
  repairs: false,
  targetParam: null,
  canUndo: false,
  params: z.strictObject({
    /** How long to do nothing. */
    durationMs: z.number().nonnegative().max(60_000).default(0),
  }),
  async execute({ durationMs }, { clock, signal }) {
    if (durationMs > 0) await sleep(clock, durationMs, signal);
    return { result: null, effect: { state: "confirmed", evidence: "Nothing was done, as asked." } };
  },
});
