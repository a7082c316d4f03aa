import { expect, it } from "vitest";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { createSettings } from "./settings.ts";

const withRule = (name: string, when: string) => ({ policy: [{ name, when, skill: "notify" }] });

// A slip in the configuration of a running organism must not leave it without a policy, nor go unnoticed.
it("keeps the last good policy when a bad one comes, says so, and takes the next good one at once", () => {
  const log = createMemoryLogger();
  const clock = createFakeClock();
  const settings = createSettings(withRule("first", "true"), log, clock);
  const inForce = () => settings.current().policy.map(({ name }) => name);
  const before = settings.policy();

  settings.replace({ ...withRule("bad", "cause.confidnce > 0.5"), approvals: { expireMs: 5 } });
  expect(inForce()).toEqual(["first"]);
  expect(settings.policy()).toBe(before);
  const refused = { atMs: clock.now(), problems: [expect.stringContaining("confidnce")] };
  expect(settings.refusal()).toMatchObject(refused);
  expect(log.lines.at(-1)?.message).toContain("the one before stays in force");
  // What else came with it is in force all the same.
  expect(settings.current().approvals.expireMs).toBe(5);

  settings.replace(withRule("next", "true"));
  expect(inForce()).toEqual(["next"]);
  expect(settings.policy()).not.toBe(before);
  expect(settings.refusal()).toBeNull();
});

// It was in the log alone: whoever asked saw the last good one, and that nothing was wrong.
it("says as well what is no configuration at all, and what was refused before it came here", () => {
  const settings = createSettings({}, createMemoryLogger(), createFakeClock());
  settings.replace({ policy: "none", approvals: { expireMs: 5 } });
  expect(settings.refusal()?.problems).toEqual([expect.stringContaining("policy")]);
  expect(settings.current().approvals.expireMs).not.toBe(5);
  const refused = { atMs: 1, source: "seedcore.json", problems: ["This is not JSON."] };
  settings.replace({ refused });
  expect(settings.refusal()).toEqual(refused);
  // As a process gets it that starts while the file is as it is.
  expect(createSettings({ refused }, createMemoryLogger(), createFakeClock()).refusal()).toEqual(refused);
  settings.replace({});
  expect(settings.refusal()).toBeNull();
});

it("does not begin with a policy that cannot be used: there is no good one to keep", () => {
  expect(() => createSettings(withRule("bad", "cause"), createMemoryLogger(), createFakeClock())).toThrow('Rule "bad"');
});
