import { z } from "zod";
import type { CauseKind, cognitive } from "#contracts/cognitive.ts";
import type { coordinator } from "#contracts/coordinator.ts";
import type { state } from "#contracts/state.ts";
import type { telemetry } from "#contracts/telemetry.ts";
import type { OutputOf } from "#core/contract.ts";
import { isServiceError } from "#core/service-error.ts";
import type { Client } from "#runtime/client/client.ts";
import { ORGANS } from "../organs.ts";
import { defineSkill, type Skill, SkillFailed } from "../skill.ts";

export interface PlanClients {
  readonly cognitive: Pick<Client<typeof cognitive>, "planTask">;
  readonly coordinator: Pick<Client<typeof coordinator>, "getIncident">;
  readonly state: Pick<Client<typeof state>, "agents" | "recallCases">;
  readonly telemetry: Pick<Client<typeof telemetry>, "callGraph">;
}

type Remedy = Pick<Skill, "name" | "risk" | "repairs" | "canUndo"> & { readonly remedies: readonly CauseKind[] };
type Incident = OutputOf<(typeof coordinator)["procedures"]["getIncident"]>;

const MOST_CASES = 50;

/**
 * Works out what could be done about an incident, in which order, and what that rests on. It does none of it: that is for
 * the policy, or a person.
 * @param skills what agents can do
 */
export function plan(clients: PlanClients, skills: () => readonly Remedy[]): Skill {
  return defineSkill({
    name: "plan",
    summary: "Works out the steps for an incident, with what they rest on and how sure they are; does none of them.",
    organ: ORGANS.cognitive.id,
    risk: "none",
    idempotent: true,
    timeoutMs: 15_000,
    effectCheck: "The plan is there; it changes nothing else.",
    remedies: [],
    repairs: false,
    targetParam: null,
    canUndo: false,
    params: z.strictObject({
      /** Its id. */
      incident: z.string().min(1).max(100),
    }),
    async execute({ incident: id }) {
      const incident = await asked(() => clients.coordinator.getIncident({ id }));
      const cause = causeOf(incident);
      const [cases, performance, edges] = await Promise.all([
        casesLike(clients, incident),
        asked(() => performanceOf(clients)),
        edgesOf(clients),
      ]);
      const { missing, ...planned } = await asked(() =>
        clients.cognitive.planTask({
          taskDescription: incident.title,
          ...(cause === undefined ? {} : { cause }),
          skills: skills()
            .filter(({ repairs }) => repairs)
            .map(({ name, risk, remedies, canUndo }) => ({ name, risk, remedies: [...remedies], canUndo })),
          cases,
          performance,
          edges: edges ?? [],
        }),
      );
      const unknown = edges === undefined ? ["Who calls whom: that could not be asked."] : [];
      return {
        result: { incident: id, ...planned, missing: [...missing, ...unknown] },
        effect: { state: "confirmed", evidence: inWords(planned) },
      };
    },
  });
}

function causeOf({ diagnosis }: Pick<Incident, "diagnosis">) {
  if (diagnosis === null || diagnosis.cause.kind === "unknown") return undefined;
  const { service, kind, confidence } = diagnosis.cause;
  return { service, kind, confidence };
}

async function casesLike({ state }: PlanClients, { id, diagnosis }: Pick<Incident, "id" | "diagnosis">) {
  const signature = diagnosis?.signature.slice(0, 1_000) ?? [];
  if (signature.length === 0) return [];
  const { cases } = await asked(() => state.recallCases({ signature, limit: MOST_CASES }));
  return cases.filter((one) => one.id !== id);
}

async function performanceOf({ state }: PlanClients) {
  const { agents } = await state.agents({});
  return agents.flatMap(({ id, skills }) =>
    skills.map(({ skill, succeeded, failed }) => ({ agent: id, skill, succeeded, failed })),
  );
}

/** Undefined while nobody can tell: a plan without it is better than none, and says so. */
async function edgesOf({ telemetry }: PlanClients) {
  const graph = await telemetry.callGraph({}).catch(() => undefined);
  return graph?.edges.slice(0, 1_000).map(({ from, to }) => ({ from, to }));
}

function inWords({ steps, confidence }: { readonly steps: readonly { readonly text: string }[]; confidence: number }) {
  const sure = confidence === 0 ? "Nothing is known to help" : `${Math.round(100 * confidence)} % sure to help`;
  return `${sure}: ${steps.map(({ text }, i) => `${i + 1}. ${text}`).join(" ")}`;
}

async function asked<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!isServiceError(error)) throw error;
    throw new SkillFailed(error.message, error.retryable, { cause: error });
  }
}
