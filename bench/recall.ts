/** Recall over ten thousand cases, for signatures of a few and of many names; wanted: 5 ms at most. */
import { systemClock } from "#core/clock.ts";
import { seededRandom } from "#core/random.ts";
import { CaseIndex } from "#services/state/case-index.ts";
import { quantile } from "./quantile.ts";

const CASES = 10_000;
const ROUNDS = 400;
const WANTED_MS = 5;

for (const names of [5, 30]) {
  const random = seededRandom(names);
  // Fifty services with a few series each: cases share names as incidents of one system do.
  const signature = () =>
    Array.from(
      { length: names },
      () =>
        `service-${Math.floor(50 * random.next() ** 2)}/${["latency", "errors", "requests"][Math.floor(3 * random.next())]}:up`,
    );
  const index = new CaseIndex();
  for (let i = 0; i < CASES; i++) index.put(`inc_${i}`, signature());
  const steady: number[] = [];
  const changed: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const wanted = signature();
    const isChanged = i % 2 === 1;
    if (isChanged) index.put(`inc_${i}`, signature());
    const startedMs = systemClock.monotonic();
    index.recall(wanted, 10, 0.3);
    (isChanged ? changed : steady).push(systemClock.monotonic() - startedMs);
  }
  const line = (what: string, all: number[]) =>
    console.log(
      `${`${names} names, ${what}`.padEnd(32)}${quantile(all, 0.5).toFixed(2)} ms p50, ${quantile(all, 0.95).toFixed(2)} ms p95   (wanted ≤ ${WANTED_MS})`,
    );
  line("nothing new since", steady);
  line("after a case was stored", changed);
}
