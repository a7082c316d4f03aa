import { z } from "zod";
import { ORGANS } from "../organs.ts";
import { defineSkill, type Skill, SkillFailed } from "../skill.ts";
import { type RequestRules, requestFor } from "./request-rules.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const;
const REPEATABLE: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "DELETE"]);

const HeaderValue = z
  .string()
  .regex(/^[\t\u0020-\u007e\u0080-\u00ff]*$/, "no header's value: it may have no control characters and only Latin-1");

const Params = z.strictObject({
  method: z.enum(METHODS).default("POST"),
  url: z.url({ protocol: /^https?$/ }),
  headers: z.record(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, "no header's name"), HeaderValue).default({}),
  /** Sent as JSON; a text is sent as it is. */
  body: z.json().optional(),
  /** The statuses that mean success; any 2xx when left out. */
  expectedStatus: z.array(z.int().min(100).max(599)).min(1).optional(),
  allowPrivate: z.boolean().default(false),
});

/** Less than the whole takes: an endpoint that hangs is named, and not only that the time was over. */
const ANSWER_MS = 55_000;

/** Calls an HTTP endpoint. Redirects are answers, not followed. */
export function callHttp(rules: RequestRules): Skill {
  return defineSkill({
    name: "call-http",
    summary: "Calls an HTTP endpoint and checks the status it answers.",
    organ: ORGANS.actuator.id,
    risk: "high",
    idempotent: false,
    timeoutMs: ANSWER_MS + 5_000,
    effectCheck: "The endpoint answered an expected status.",
    remedies: [],
    repairs: true,
    targetParam: null,
    canUndo: false,
    params: Params,
    async execute({ method, url, headers, body, expectedStatus, allowPrivate }, context) {
      const what = `${method} ${withoutSecrets(url)}`;
      const isText = typeof body === "string";
      const answer = await requestFor(rules, context, {
        method,
        url,
        headers: body === undefined || isText ? headers : { "content-type": "application/json", ...headers },
        body: body === undefined ? undefined : isText ? body : JSON.stringify(body),
        allowPrivate,
        withinMs: ANSWER_MS,
        isRepeatable: REPEATABLE.has(method),
      });
      const isExpected = expectedStatus?.includes(answer.status) ?? (answer.status >= 200 && answer.status <= 299);
      if (!isExpected) {
        const wanted = expectedStatus === undefined ? "a 2xx" : expectedStatus.join(" or ");
        const mayPass = REPEATABLE.has(method) && (answer.status >= 500 || answer.status === 429);
        throw new SkillFailed(`${what} answered ${answer.status} where ${wanted} was expected.`, mayPass);
      }
      const type = answer.headers["content-type"] ?? null;
      return {
        result: { status: answer.status, contentType: type, body: answer.body, isTruncated: answer.isTruncated },
        effect: { state: "confirmed", evidence: `${what} answered ${answer.status}.` },
      };
    },
  });
}

/** A story is read by more people than the policy: a password in an address, or a key behind its `?`, is not for them. */
function withoutSecrets(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
