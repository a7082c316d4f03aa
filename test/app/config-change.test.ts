/** What the supervisor itself does to the organism is a change like any other: the first thing to know about an incident. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { TestOrganism } from "./organism.ts";

it("a configuration that is applied while the organism runs is recorded as a change, once, without its values", async () => {
  const organism = await TestOrganism.create();
  try {
    await organism.up();
    const recorded = () => {
      using database = new DatabaseSync(join(organism.directory, "data", "seedcore.db"), { readOnly: true });
      return database.prepare("select kind, target, summary, data from coordinator_changes").all();
    };
    expect(recorded()).toEqual([]);
    const settings = { services: { organism: { agentsPerOrgan: 3 } } };
    writeFileSync(join(organism.directory, "seedcore.json"), JSON.stringify(settings));
    await expect.poll(recorded, { timeout: 30_000, interval: 200 }).toEqual([
      {
        kind: "config",
        target: "organism",
        summary: "The configuration file was applied; changed: service organism.",
        data: '{"hosts":[],"services":["organism"]}',
      },
    ]);
  } finally {
    await organism.destroy();
  }
});
