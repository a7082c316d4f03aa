/** Routes tasks to organs, lets their agents execute skills, and checks that these took effect. */
import { z } from "zod";
import { organism, type RoutingRule, type Skill as SkillInfo } from "#contracts/organism.ts";
import { implement, type Service } from "#runtime/service.ts";
import type { Database } from "#runtime/storage/database.ts";
import { OrganismConfig } from "./config.ts";
import { execute, type ExecutionDeps } from "./execution.ts";
import type { OutcomeRecorder } from "./outcome-recorder.ts";
import { knownTypes, normalise, resolve, type Resolved } from "./router.ts";
import type { RuleCache } from "./rule-cache.ts";
import { type Skill, SkillFailed } from "./skill.ts";
import type { OrganismStore } from "./store.ts";

export interface OrganismDeps extends ExecutionDeps {
  readonly database: Database;
  readonly store: OrganismStore;
  readonly rules: RuleCache;
  readonly skills: ReadonlyMap<string, Skill>;
  readonly recorder: OutcomeRecorder;
  /** Which addresses skills may ask; the number of agents is what it was at the start. */
  readonly settings: { current: OrganismConfig };
}

export function organismService(deps: OrganismDeps): Service<typeof organism> {
  const { store, rules, skills, roster } = deps;
  const infos = [...skills.values()].map(toInfo);

  /** @throws the error `unknown` makes for a type that leads nowhere. */
  async function routeOf(
    { type, domain }: { readonly type: string; readonly domain?: string | undefined },
    unknown: (data: { type: string; known: string[] }, message: string) => Error,
  ): Promise<Resolved> {
    const current = await rules.rules();
    const route = resolve(current, skills, type, domain);
    if (route !== undefined) return route;
    const known = knownTypes(current, skills);
    throw unknown({ type, known }, `There is no task type "${type}". There are: ${known.join(", ")}.`);
  }

  return implement(
    organism,
    {
      async organs() {
        return {
          organs: roster.organs().map((organ) => ({
            ...organ,
            agents: [...organ.agents],
            skills: infos.filter(({ name }) => skills.get(name)?.organ === organ.id).map(({ name }) => name),
          })),
        };
      },

      async skills() {
        return { skills: infos };
      },

      async resolveRoute(input, { fail }) {
        const { organ, skill, resolvedFrom } = await routeOf(input, (data, message) =>
          fail("UNKNOWN_TASK_TYPE", data, message),
        );
        return { organ, skill: skill.name, resolvedFrom, idempotent: skill.idempotent, timeoutMs: skill.timeoutMs };
      },

      async undoOf({ type, params }, { fail }) {
        const { skill } = await routeOf({ type }, (data, message) => fail("UNKNOWN_TASK_TYPE", data, message));
        const parsed = parseParams(skill, params, (data, message) => fail("BAD_PARAMS", data, message));
        return { undo: (await skill.undoOf?.(parsed)) ?? null };
      },

      async execute({ taskId, type, params, domain, attempt }, { fail, signal }) {
        const route = await routeOf({ type, domain }, (data, message) => fail("UNKNOWN_TASK_TYPE", data, message));
        const { skill } = route;
        const parsed = parseParams(skill, params, (data, message) => fail("BAD_PARAMS", data, message));
        try {
          return await execute(deps, { taskId, attempt, route, params: parsed }, { signal });
        } catch (error) {
          if (!(error instanceof SkillFailed)) throw error;
          const data = { skill: skill.name, reason: error.message, retryable: error.isRetryable };
          throw fail("SKILL_FAILED", data, `${skill.name} failed: ${error.message}`);
        }
      },

      async routingRules() {
        return { rules: await store.rules() };
      },

      async changeRoutingRules({ add, remove }, { fail }) {
        const organs = roster.organs().map(({ id }) => id);
        for (const { organ, skill } of add) {
          if (!organs.includes(organ)) {
            throw fail(
              "UNKNOWN_ORGAN",
              { organ, known: organs },
              `There is no organ "${organ}". There are: ${organs.join(", ")}.`,
            );
          }
          const known = [...skills.keys()];
          if (!skills.has(skill)) {
            throw fail(
              "UNKNOWN_SKILL",
              { skill, known },
              `There is no skill "${skill}". There are: ${known.join(", ")}.`,
            );
          }
        }
        await store.changeRules(add.map(normalised), remove.map(normalised));
        rules.forget();
        return { rules: await store.rules() };
      },

      async status() {
        return { organs: [...roster.counts()] };
      },
    },
    {
      database: deps.database,
      async reconfigure(config) {
        deps.settings.current = OrganismConfig.parse(config ?? {});
      },
      close: () => deps.recorder.close(),
    },
  );
}

/** @throws the error `bad` makes for parameters that the skill does not take. */
function parseParams(
  { name, params: schema }: Skill,
  params: Record<string, unknown>,
  bad: (data: { issues: string[] }, message: string) => Error,
): Record<string, unknown> {
  const parsed = schema.safeParse(params);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "params"}: ${message}`);
  throw bad({ issues }, `${name} cannot be executed with these parameters: ${issues.join("; ")}.`);
}

function normalised<R extends Pick<RoutingRule, "taskType" | "domain">>(rule: R): R {
  return { ...rule, taskType: normalise(rule.taskType), domain: rule.domain === null ? null : normalise(rule.domain) };
}

/** What outsiders see of a skill. */
function toInfo({ organ: _organ, undoOf: _undoOf, execute: _execute, params, ...told }: Skill): SkillInfo {
  return { ...told, params: z.toJSONSchema(params, { io: "input" }) as SkillInfo["params"] };
}
