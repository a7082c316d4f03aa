/**
 * `seedcore watch FILE` during a round. It must end well, whatever is killed, but in two cases, after which it is run
 * again: it was killed itself, or it came when there was no organism.
 */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fingerprint, toCursor } from "#app/cli/watch/file-cursor.ts";
import { type SourceLedger, sourceLedger } from "./ledger.ts";
import type { OrganismUnderTest } from "./organism-under-test.ts";
import type { WatchPlan } from "./plan.ts";
import { seriesScript } from "./series-script.ts";

/** The code of the error that says that no organism runs. */
const FOUND_NOTHING = '"code":"NOT_RUNNING"';

/** Series of a CSV file with one column of values. */
const COLUMN = "value";

export interface WatchedRound {
  readonly seed: number;
  readonly round: number;
  readonly plan: WatchPlan;
  readonly organism: OrganismUnderTest;
  /** Resolves once everything that was killed is back. */
  readonly isBack: Promise<unknown>;
  /** Whether for some time there is no organism at all. */
  readonly isDown: boolean;
}

/** @returns what must be stored once it is over; adds to `wrong` when the command fails. */
export async function watchFile(watched: WatchedRound, wrong: string[]): Promise<SourceLedger> {
  const { seed, round, plan, organism } = watched;
  const source = `csv-${round}`;
  const script = seriesScript(seed, source, COLUMN);
  const rows = Array.from({ length: plan.rows }, (_, index) => {
    const [timestampMs, value] = script.point(index);
    return `${new Date(timestampMs).toISOString()},${value}`;
  });
  const file = join(organism.home.directory, `${source}.csv`);
  await writeFile(file, `timestamp,${COLUMN}\n${rows.join("\n")}\n`);

  const start = () => organism.run(["watch", "--json", file], `${source}.out`);
  let command = start();
  if (plan.killAfterMs !== undefined) {
    await Promise.race([sleep(plan.killAfterMs), command.ended]);
    if (command.process.exitCode === null) {
      command.process.kill("SIGKILL");
      await command.ended;
      command = start();
    }
  }
  let code = await command.ended;
  if (code !== 0 && watched.isDown && readFileSync(command.outputFile, "utf8").includes(FOUND_NOTHING)) {
    await watched.isBack;
    code = await start().ended;
  }
  if (code !== 0) wrong.push(`watch of ${source} ended with ${code}: ${readFileSync(command.outputFile, "utf8")}`);

  const cursor = toCursor(await fingerprint(file), plan.rows) ?? "";
  const ledger = sourceLedger(source, [script]);
  ledger.batches.push({ slices: [{ series: 0, from: 0, to: plan.rows }], cursor, fate: "acknowledged" });
  return ledger;
}
