import { z } from "zod";
import { ORGANS } from "../organs.ts";
import { defineSkill, type Skill, SkillFailed } from "../skill.ts";
import { CHANNELS } from "./notification-body.ts";
import { type RequestRules, requestFor } from "./request-rules.ts";

const Params = z.strictObject({
  channel: z.enum(["log", ...(Object.keys(CHANNELS) as (keyof typeof CHANNELS)[])]).default("log"),
  message: z.string().min(1).max(10_000),
  /** Where it is sent; not for the log. */
  url: z.url({ protocol: /^https?$/ }).optional(),
  /** Instead of `url`: NAME of the organism's environment variable SEEDCORE_SECRET_<NAME> that holds it. */
  secret: z.string().min(1).max(60).optional(),
  data: z.record(z.string(), z.json()).default({}),
  allowPrivate: z.boolean().default(false),
  /** Whether it tells that what it told before is over. */
  isOver: z.boolean().default(false),
});

/** Less than the whole takes: a receiver that hangs is named, and not only that the time was over. */
const ANSWER_MS = 10_000;

/** Tells people or their systems, by a line in the log or a POST of JSON; the latter are told when it is over, too. */
export function notify(rules: RequestRules, secrets: () => Readonly<Record<string, string>>): Skill {
  return defineSkill({
    name: "notify",
    summary: "Tells somebody: a line in the log, or a POST to a webhook, Slack or Alertmanager.",
    organ: ORGANS.actuator.id,
    risk: "none",
    // Told twice is better than not told; the webhook's Idempotency-Key lets the receiver know the same from another.
    idempotent: true,
    timeoutMs: ANSWER_MS + 5_000,
    effectCheck: "The log took the line; the receiver answered 2xx.",
    remedies: [],
    repairs: false,
    targetParam: null,
    canUndo: true,
    params: Params,
    async execute({ channel, message, data, allowPrivate, isOver, ...to }, context) {
      if (channel === "log") {
        context.log.warn({ notification: true, taskId: context.taskId, data }, message);
        return { result: null, effect: { state: "confirmed", evidence: "The log took the line." } };
      }
      const url = to.url ?? secretUrl(channel, to.secret, secrets());
      const answer = await requestFor(rules, context, {
        method: "POST",
        url,
        headers: { "content-type": "application/json", "idempotency-key": context.taskId },
        body: JSON.stringify(
          CHANNELS[channel]({ message, taskId: context.taskId, data, isOver, nowMs: context.clock.now() }),
        ),
        allowPrivate,
        withinMs: ANSWER_MS,
        isRepeatable: true,
      });
      const evidence = `${NAMES[channel]} answered ${answer.status}.`;
      if (answer.status < 200 || answer.status > 299) {
        throw new SkillFailed(evidence, answer.status >= 500 || answer.status === 429);
      }
      const place = {
        ...(to.url === undefined ? {} : { url: to.url }),
        ...(to.secret === undefined ? {} : { secret: to.secret }),
      };
      return {
        result: { status: answer.status },
        effect: { state: "confirmed", evidence },
        ...(isOver
          ? {}
          : { undo: { skill: "notify", params: { channel, message, data, allowPrivate, ...place, isOver: true } } }),
      };
    },
  });
}

const NAMES = { webhook: "The webhook", slack: "Slack", alertmanager: "Alertmanager" } as const;

/** An address that is as good as a password: whoever has Slack's may write to the channel. It is in no task and no story. */
function secretUrl(channel: string, name: string | undefined, secrets: Readonly<Record<string, string>>): string {
  if (name === undefined) throw new SkillFailed(`The channel ${channel} needs the parameter url or secret.`, false);
  const url = secrets[name];
  if (url === undefined) {
    throw new SkillFailed(`The organism was started without SEEDCORE_SECRET_${name}. Set it and start again.`, false);
  }
  if (!/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : "")) {
    throw new SkillFailed(`SEEDCORE_SECRET_${name} is no address with http:// or https://.`, false);
  }
  return url;
}
