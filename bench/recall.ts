/**
 * Recall over ten thousand cases, for signatures of a few and of many names, as `state` answers it over its own file: what
 * others have stored since is read, then the index is asked, then the rows of what is alike are read; wanted: 5 ms at most.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "#core/clock.ts";
import { seededRandom } from "#core/random.ts";
import { migrate } from "#runtime/storage/migrate.ts";
import { openSqlite } from "#runtime/storage/sqlite.ts";
import { createCaseRecall } from "#services/state/case-recall.ts";
import { createCaseStore } from "#services/state/case-store.ts";
import { createMemorySearch } from "#services/state/memory-search.ts";
import { stateService } from "#services/state/service.ts";
import { createStateStore, stateSchema } from "#services/state/store.ts";
import { quantile } from "./quantile.ts";

const CASES = 10_000;
const AT_ONCE = 250;
const ROUNDS = 400;
const WANTED_MS = 5;
const CALL = {} as never;

for (const names of [5, 30]) {
  const random = seededRandom(names);
  // Fifty services with a few series each: cases share names as incidents of one system do.
  const signature = () =>
    Array.from(
      { length: names },
      () =>
        `service-${Math.floor(50 * random.next() ** 2)}/${["latency", "errors", "requests"][Math.floor(3 * random.next())]}:up`,
    );
  const directory = await mkdtemp(join(tmpdir(), "seedcore-recall-"));
  const database = await openSqlite({ file: join(directory, "seedcore.db") });
  try {
    await migrate(database, [stateSchema], systemClock);
    const store = createStateStore(database);
    const cases = createCaseStore(database);
    const recall = createCaseRecall(cases);
    const search = createMemorySearch(store);
    const { handlers } = stateService({ database, store, search, cases, recall, clock: systemClock });
    const put = (i: number) =>
      handlers.putCase(
        {
          id: `inc_${i}`,
          signature: signature(),
          cause: { service: "service-1", kind: "latency" },
          action: { skill: "restart-host", target: "service-1" },
          helped: true,
        },
        CALL,
      );
    for (let i = 0; i < CASES; i += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, (_, k) => put(i + k)));
    const ask = (wanted: string[]) => handlers.recallCases({ signature: wanted, limit: 10, minLikeness: 0.3 }, CALL);
    const firstMs = systemClock.monotonic();
    const { known } = await ask(signature());
    const beganMs = systemClock.monotonic() - firstMs;
    if (known !== CASES) throw new Error(`It knows ${known} cases of ${CASES}.`);
    const steady: number[] = [];
    const changed: number[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      const wanted = signature();
      const isChanged = i % 2 === 1;
      if (isChanged) await put(i);
      const startedMs = systemClock.monotonic();
      await ask(wanted);
      (isChanged ? changed : steady).push(systemClock.monotonic() - startedMs);
    }
    const line = (what: string, all: number[]) =>
      console.log(
        `${`${names} names, ${what}`.padEnd(35)}${quantile(all, 0.5).toFixed(2)} ms p50, ${quantile(all, 0.95).toFixed(2)} ms p95   (wanted ≤ ${WANTED_MS})`,
      );
    line("nothing new since", steady);
    line("after a case was stored", changed);
    console.log(
      `${`${names} names, the first of a process`.padEnd(35)}${beganMs.toFixed(0)} ms, which reads all cases`,
    );
  } finally {
    await database.close();
    await rm(directory, { recursive: true, force: true });
  }
}
