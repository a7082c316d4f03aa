/** The policy in the loop: rules that cannot be followed, and the dry run. */
import { describe, expect, it } from "vitest";
import { ServiceError } from "#core/service-error.ts";
import type { Service } from "#runtime/service.ts";
import { actionOf, begun, crossing, fault, open, repair, RULE, SKILL, until, world } from "./loop-world.ts";
import { eventually } from "./eventually.ts";

it("tries a policy on past incidents without doing anything", async () => {
  const box = await open({ modes: [] });
  const id = await fault(box);
  await until(box, id, "proposed");
  const { decisions } = await box.coordinator.testPolicy({});
  expect(decisions[0]).toMatchObject({ incidentId: id, rule: "repair", mode: "propose", actual: "repair (proposed)" });
  const other = await box.coordinator.testPolicy({ rules: [{ name: "x", when: "cause.knid == 'a'", skill: "safe" }] });
  expect(other.problems[0]).toContain("knid");
  expect(world.puppet.begun).toHaveLength(0);
});

// They were 0 and false in a dry run, whatever had been: rules that ask for them were tested on what never was.
it("tries a policy by what was tried and recalled, and says of what is not kept that nobody knows", async () => {
  const box = await open();
  const first = await fault(box);
  await begun();
  repair();
  await until(box, first, "helped");
  await eventually(async () => expect((await box.state.cases({})).cases).toMatchObject([{ helped: true }]));
  for (const one of (await box.coordinator.getIncident({ id: first })).crossings) {
    await box.coordinator.reportCrossing({ id: one.id, crossing: one, clearedAtMs: Date.now() });
  }
  await eventually(async () => expect((await box.coordinator.listIncidents({ state: "open" })).total).toBe(0));
  Object.assign(world, { stockMs: 120, latency: 120 });
  const second = await fault(box);
  expect(second).not.toBe(first);
  await begun();
  const rule = (name: string, when: string) => ({ name, when, skill: "safe" });
  const tried = await box.coordinator.testPolicy({
    rules: [
      rule("recalled", 'recalled.helped == 1 && recalled.skill == "once"'),
      rule("hot", "has(system.cpu) && cause.isOwn"),
      rule("helped", '"once" in tried.skills'),
    ],
  });
  expect(tried.decisions).toMatchObject([
    { incidentId: second, rule: "recalled", unknown: [] },
    {
      incidentId: first,
      rule: "helped",
      unknown: ["hot"],
      errors: [expect.stringContaining('Rule "hot" reads system.cpu, which is not kept')],
    },
  ]);
});

// It was passed over in silence: nobody learned why nothing was done.
it("tells of a rule that cannot be evaluated, once", async () => {
  const box = await open({ policy: [{ ...RULE, when: "system.cpu > 0.5" }] });
  const id = await fault(box);
  const passedOver = async () =>
    (await box.coordinator.getIncident({ id })).story.filter(({ text }) => text.includes("passed over"));
  await eventually(async () => expect(await passedOver()).toHaveLength(1));
  await box.coordinator.reportCrossing(crossing("front", Date.now() + 50));
  await eventually(async () => expect((await box.coordinator.getIncident({ id })).crossings).toHaveLength(3));
  expect(await passedOver()).toHaveLength(1);
});

// Its task failed each time, and nothing said so before an incident came.
it("passes over a rule whose skill does not exist, and says so before it is needed", async () => {
  const skills = { skills: [{ ...SKILL, name: "once" }] };
  const organism = {
    ...world.puppet.service,
    handlers: { ...world.puppet.service.handlers, skills: async () => skills },
  };
  const box = await open(
    { policy: [{ ...RULE, name: "typo", when: "cause.isOwn", skill: "onec" }, RULE] },
    { organismService: organism },
  );
  await eventually(async () =>
    expect((await box.coordinator.policy({})).problems).toEqual([
      'Rule "typo": there is no skill "onec"; there are once.',
    ]),
  );
  const id = await fault(box);
  await begun();
  const { story } = await box.coordinator.getIncident({ id });
  expect(story.filter(({ text }) => text.includes("onec"))).toHaveLength(1);
});

describe("what a rule is done to", () => {
  const host = { ...RULE, name: "elsewhere", target: "front-host", params: { host: "stock-host" } };

  // It went by its params: stock was restarted although there was maintenance of it, since the mode, the maintenance and
  // the limits were asked of front, or of nobody.
  it("is its target alone: a rule whose params say it is passed over, and that is told before it is needed", async () => {
    const { target: _left, ...bare } = { ...host, name: "bare" };
    const box = await open({ policy: [host, bare, RULE] });
    await eventually(async () =>
      expect((await box.coordinator.policy({})).problems).toEqual([
        expect.stringContaining('Rule "elsewhere": "host" in its params'),
        expect.stringContaining('write "target": "stock-host"'),
      ]),
    );
    expect((await box.coordinator.testPolicy({ rules: [host] } as never)).problems).toHaveLength(1);
    const id = await fault(box);
    await begun();
    const { actions, story } = await box.coordinator.getIncident({ id });
    expect(actions).toMatchObject([{ rule: "repair", target: "stock-host", params: { host: "stock-host" } }]);
    expect(story.filter(({ text }) => text.includes("in its params"))).toHaveLength(2);
  });

  // Without the skill's own parameter the task failed for good, and the rule had been followed.
  it("waits until the organism can be asked how", async () => {
    let isAway = true;
    const handlers = world.puppet.service.handlers as { skills: () => Promise<unknown> };
    const organismService = {
      ...world.puppet.service,
      handlers: {
        ...handlers,
        async skills() {
          if (isAway) throw new ServiceError("UNAVAILABLE", "It is away.");
          return handlers.skills();
        },
      },
    } as Service;
    const box = await open({}, { organismService });
    const id = await fault(box);
    await until(box, id, "held");
    expect((await actionOf(box, id))?.reason).toContain("cannot be asked");
    isAway = false;
    await begun();
    expect(await actionOf(box, id)).toMatchObject({ state: "acting", params: { host: "stock-host" } });
  });
});
