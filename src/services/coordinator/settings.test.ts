import { expect, it } from "vitest";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { createSettings } from "./settings.ts";

const withRule = (name: string, when: string) => ({ policy: [{ name, when, skill: "notify" }] });

// A slip in the configuration of a running organism must not leave it without a policy, nor go unnoticed.
it("keeps the last good policy when a bad one comes, says so, and takes the next good one at once", () => {
  const log = createMemoryLogger();
  const settings = createSettings(withRule("first", "true"), log);
  const inForce = () => settings.current().policy.map(({ name }) => name);
  const before = settings.policy();

  settings.replace({ ...withRule("bad", "cause.confidnce > 0.5"), approvals: { expireMs: 5 } });
  expect(inForce()).toEqual(["first"]);
  expect(settings.policy()).toBe(before);
  expect(settings.problems()).toEqual([expect.stringContaining("confidnce")]);
  expect(log.lines.at(-1)?.message).toContain("the one before stays in force");
  // What else came with it is in force all the same.
  expect(settings.current().approvals.expireMs).toBe(5);

  settings.replace(withRule("next", "true"));
  expect(inForce()).toEqual(["next"]);
  expect(settings.policy()).not.toBe(before);
  expect(settings.problems()).toEqual([]);
});

it("does not begin with a policy that cannot be used: there is no good one to keep", () => {
  expect(() => createSettings(withRule("bad", "cause"), createMemoryLogger())).toThrow('Rule "bad"');
});
