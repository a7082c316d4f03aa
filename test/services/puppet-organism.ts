/** An organism whose executions end when and how the test says. */
import { type Execution, organism, type Skill } from "#contracts/organism.ts";
import { ServiceError } from "#core/service-error.ts";
import { implement, type Service } from "#runtime/service.ts";

export interface Running {
  readonly taskId: string;
  readonly attempt: number;
  readonly isAborted: () => boolean;
  succeed(result?: string, change?: Execution["change"], undo?: Execution["undo"]): void;
  /** As a skill that failed. */
  fail(retryable: boolean): void;
  /** As the connection does. */
  lose(): void;
}

export interface Puppet {
  readonly service: Service;
  /** Executions that have begun and not ended, oldest first. */
  readonly running: readonly Running[];
  /** Every execution that ever began, as `<task>#<attempt>`. */
  readonly begun: readonly string[];
  /** Most executions of one task that ran at once. */
  readonly worstOverlap: () => number;
}

const SKILL: Omit<Skill, "name" | "idempotent"> = {
  summary: "",
  risk: "high",
  timeoutMs: 60_000,
  params: {},
  effectCheck: "",
  remedies: [],
  repairs: true,
  targetParam: "host",
  canUndo: false,
};

/** Task types `safe` (may be repeated) and `once` (must not) are known. */
export function createPuppet(): Puppet {
  const running: Running[] = [];
  const begun: string[] = [];
  let worst = 0;
  const types = { safe: true, once: false } as const;
  const known = Object.keys(types);

  const service = implement(organism, {
    organs: async () => ({ organs: [] }),
    skills: async () => ({
      skills: known.map((name) => ({ ...SKILL, name, idempotent: types[name as keyof typeof types] })),
    }),
    routingRules: async () => ({ rules: [] }),
    changeRoutingRules: async () => ({ rules: [] }),
    status: async () => ({ organs: [] }),
    async resolveRoute({ type }, { fail }) {
      if (!Object.hasOwn(types, type))
        throw fail("UNKNOWN_TASK_TYPE", { type, known }, `There is no task type "${type}".`);
      const idempotent = types[type as keyof typeof types];
      return { organ: "puppet", skill: type, resolvedFrom: "skill" as const, idempotent, timeoutMs: 60_000 };
    },
    undoOf: async () => ({ undo: null }),
    execute({ taskId, attempt, type }, { fail, signal }) {
      return new Promise((resolve, reject) => {
        const end = (settle: () => void) => {
          const index = running.indexOf(one);
          if (index < 0) return;
          running.splice(index, 1);
          settle();
        };
        const one: Running = {
          taskId,
          attempt,
          isAborted: () => signal.aborted,
          succeed: (result = "done", change = null, undo = null) =>
            end(() =>
              resolve({
                organ: "puppet",
                agent: "puppet_agent_0",
                skill: type,
                result,
                change,
                undo,
                durationMs: 1,
                effect: { state: "confirmed" as const, evidence: "seen" },
              }),
            ),
          fail: (retryable) =>
            end(() => reject(fail("SKILL_FAILED", { skill: type, reason: "told to", retryable }, "told to fail"))),
          lose: () => end(() => reject(new ServiceError("CONNECTION_LOST", "The connection broke."))),
        };
        signal.addEventListener("abort", () => end(() => reject(signal.reason)), { once: true });
        running.push(one);
        begun.push(`${taskId}#${attempt}`);
        worst = Math.max(worst, running.filter((other) => other.taskId === taskId).length);
      });
    },
  });
  return { service, running, begun, worstOverlap: () => worst };
}
