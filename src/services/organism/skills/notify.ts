import { z } from "zod";
import { ORGANS } from "../organs.ts";
import { defineSkill, type Skill, SkillFailed } from "../skill.ts";
import { type RequestRules, requestFor } from "./request-rules.ts";

const Params = z.strictObject({
  channel: z.enum(["log", "webhook"]).default("log"),
  message: z.string().min(1).max(10_000),
  /** For the webhook. */
  url: z.url({ protocol: /^https?$/ }).optional(),
  data: z.record(z.string(), z.json()).default({}),
  allowPrivate: z.boolean().default(false),
});

/** Tells people or their systems, by a line in the log or a POST of JSON. */
export function notify(rules: RequestRules): Skill {
  return defineSkill({
    name: "notify",
    summary: "Tells somebody: a line in the log, or a POST of JSON to a webhook.",
    organ: ORGANS.actuator.id,
    risk: "none",
    // Told twice is better than not told; the webhook's Idempotency-Key lets the receiver know the same from another.
    idempotent: true,
    timeoutMs: 15_000,
    effectCheck: "The log took the line; the webhook answered 2xx.",
    remedies: [],
    targetParam: null,
    canUndo: false,
    params: Params,
    async execute({ channel, message, url, data, allowPrivate }, context) {
      if (channel === "log") {
        context.log.warn({ notification: true, taskId: context.taskId, data }, message);
        return { result: null, effect: { state: "confirmed", evidence: "The log took the line." } };
      }
      if (url === undefined) throw new SkillFailed("The webhook channel needs the parameter url.", false);
      const answer = await requestFor(rules, context, {
        method: "POST",
        url,
        headers: { "content-type": "application/json", "idempotency-key": context.taskId },
        body: JSON.stringify({ message, taskId: context.taskId, data }),
        allowPrivate,
        isRepeatable: true,
      });
      const evidence = `The webhook answered ${answer.status}.`;
      if (answer.status < 200 || answer.status > 299) {
        throw new SkillFailed(evidence, answer.status >= 500 || answer.status === 429);
      }
      return { result: { status: answer.status }, effect: { state: "confirmed", evidence } };
    },
  });
}
