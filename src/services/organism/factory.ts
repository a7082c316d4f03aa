import { cognitive } from "#contracts/cognitive.ts";
import { coordinator } from "#contracts/coordinator.ts";
import { state } from "#contracts/state.ts";
import { telemetry } from "#contracts/telemetry.ts";
import type { ServiceFactory } from "#runtime/host/service-context.ts";
import { OrganismConfig } from "./config.ts";
import { createFence } from "./fence.ts";
import { ORGANS, ROLE_PRIORS } from "./organs.ts";
import { type AgentOutcome, createOutcomeRecorder } from "./outcome-recorder.ts";
import { createRoster } from "./roster.ts";
import { createRuleCache } from "./rule-cache.ts";
import { organismService } from "./service.ts";
import type { Skill } from "./skill.ts";
import { callHttp } from "./skills/call-http.ts";
import { noop } from "./skills/noop.ts";
import { notify } from "./skills/notify.ts";
import { plan } from "./skills/plan.ts";
import { runCommand } from "./skills/run-command.ts";
import { rollBackHost } from "./skills/roll-back-host.ts";
import { restartHost } from "./skills/restart-host.ts";
import { scaleHost } from "./skills/scale-host.ts";
import { silence } from "./skills/silence.ts";
import { createOrganismStore, organismSchema } from "./store.ts";

export const create: ServiceFactory = async (context) => {
  const { clock, ids, log } = context;
  const config = OrganismConfig.parse(context.config ?? {});
  const settings = { current: config };
  const database = await context.database("seedcore", [organismSchema]);
  const store = createOrganismStore(database);
  await store.settle(
    Object.values(ORGANS).map((organ) => ({
      ...organ,
      agents: Array.from({ length: config.agentsPerOrgan }, (_, i) => `${organ.id}_agent_${i}`),
    })),
  );
  const organs = await store.organs();
  const stateClient = context.client(state);
  const recorder = createOutcomeRecorder({
    // Short, since a host that ends waits for its last one, when state may be gone already.
    send: (batch) => stateClient.recordOutcomes(batch, { ...BACKGROUND, deadlineMs: 500 }),
    clock,
    ids,
    log,
    intervalMs: config.recordEveryMs,
  });
  const roster = createRoster({
    organs,
    most: config.maxAgentsPerOrgan,
    readAgents: async () => (await stateClient.agents({}, BACKGROUND)).agents,
    // So that it is known before its first execution has ended.
    hired: (agent, organ) => record(agent, organ, { succeeded: 0, failed: 0 }),
    clock,
  });
  const rolesOf = new Map(organs.map(({ id, kind }) => [id, ROLE_PRIORS[kind]]));
  const record = (agent: string, organ: string, outcome: Omit<AgentOutcome, "agent" | "organ" | "roles">) =>
    recorder.record({ agent, organ, ...outcome, roles: rolesOf.get(organ) });
  // Agents are known from the first minute, not only from their first execution.
  for (const organ of organs) for (const agent of organ.agents) record(agent, organ.id, { succeeded: 0, failed: 0 });

  const platform = {
    desired: context.desired,
    engineStatus: () => context.engineStatus(),
    replicaId: context.replicaId,
  };
  const rules = {
    get allowPrivate() {
      return settings.current.allowPrivate;
    },
    get allowLoopback() {
      return settings.current.allowLoopback;
    },
  };
  const thinking = {
    cognitive: context.client(cognitive),
    coordinator: context.client(coordinator),
    state: stateClient,
    telemetry: context.client(telemetry),
  };
  const skills: readonly Skill[] = [
    noop,
    notify(rules, () => settings.current.secrets),
    callHttp(rules),
    plan(thinking, () => skills),
    restartHost(platform),
    rollBackHost(platform),
    runCommand(() => settings.current.commands),
    silence(thinking.coordinator),
    scaleHost(platform),
  ];

  return organismService({
    database,
    store,
    settings,
    rules: createRuleCache(() => store.rules(), clock),
    skills: new Map(skills.map((skill) => [skill.name, skill])),
    roster,
    recorder,
    fence: createFence(),
    clock,
    log,
    record({ agent, organ, skill, isSuccess, role, expected }) {
      const succeeded = isSuccess ? 1 : 0;
      const gains = { E: 0, S: 0, O: 0, [role]: succeeded - expected };
      record(agent, organ, { skill, succeeded, failed: 1 - succeeded, gains });
    },
  });
};

const BACKGROUND = { priority: "background" } as const;
