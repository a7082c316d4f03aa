import fc from "fast-check";
import { expect, it } from "vitest";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createRoster, type Engagement } from "./roster.ts";

const ORGAN = { id: "o", kind: "utility", summary: "", agents: ["o_agent_0", "o_agent_1"] } as const;
const NOOP = { name: "noop", risk: "none" } as const;

function setUp(most = 4) {
  const clock = createFakeClock();
  const hired: string[] = [];
  const roster = createRoster({
    organs: [{ ...ORGAN, agents: [...ORGAN.agents] }],
    most,
    readAgents: async () => [],
    hired: (agent) => void hired.push(agent),
    clock,
  });
  const begin = (count: number) =>
    Array.from({ length: count }, (_, i) => roster.begin("o", NOOP, `t${i}`) as Engagement);
  const agents = () => roster.organs()[0]?.agents;
  return { clock, hired, roster, begin, agents };
}

// Two agents were given whatever came, and each was blamed for what it had no time for.
it("takes on agents while all have enough to do, and no more than it may", () => {
  const { begin, agents, hired } = setUp();
  begin(8);
  expect(agents()).toEqual(["o_agent_0", "o_agent_1"]);
  const [ninth] = begin(1);
  expect(ninth?.agent).toBe("o_agent_2");
  expect(hired).toEqual(["o_agent_2"]);
  begin(50);
  expect(agents()).toHaveLength(4);
});

it("lets go whom it took on after ten minutes without work, and never those it began with", async () => {
  const { begin, agents, clock } = setUp();
  const working = begin(9);
  for (const one of working) one.end("succeeded");
  await clock.advance(9 * 60_000);
  begin(1)[0]?.end("succeeded");
  expect(agents()).toHaveLength(3);
  await clock.advance(11 * 60_000);
  begin(1)[0]?.end("succeeded");
  expect(agents()).toEqual(["o_agent_0", "o_agent_1"]);
});

// An agent that left while it worked, or a count that went wrong, would show for as long as the process lives.
it("counts each execution to an agent that is there, whatever comes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(fc.constant("begin"), fc.nat(30), fc.constant("wait"))), async (steps) => {
      const { roster, clock, agents } = setUp();
      const running: Engagement[] = [];
      for (const step of steps) {
        if (step === "begin") running.push(roster.begin("o", NOOP, `t${running.length}`) as Engagement);
        else if (step === "wait") await clock.advance(6 * 60_000);
        else running.splice(Number(step) % Math.max(1, running.length), 1)[0]?.end("succeeded");
        for (const { agent } of running) expect(agents()).toContain(agent);
        expect(roster.counts()[0]?.running).toBe(running.length);
        expect(agents()?.length).toBeGreaterThanOrEqual(2);
        expect(agents()?.length).toBeLessThanOrEqual(4);
      }
    }),
    { numRuns: 60 },
  );
});
