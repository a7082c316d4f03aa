/**
 * Tasks per second, submitted and completed durably with the no-op skill, by a client outside, over HTTP straight to
 * the host: `npm run bench -- tasks`. Several rounds against one organism of its own.
 */
import { connect } from "../src/app/connect.ts";
import { coordinator } from "../src/contracts/coordinator.ts";
import type { Client } from "../src/runtime/client/client.ts";
import { TestOrganism } from "../test/app/organism.ts";
import { quantile } from "./quantile.ts";

const ROUNDS = 7;
const TASKS = 5_000;
const CONCURRENCY = 96;

const organism = await TestOrganism.create();
try {
  await organism.up();
  await using connection = await connect({ home: organism.home });
  const client = connection.client(coordinator);
  await run(client, 1_000);
  const rates: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const { seconds, p50Ms, p99Ms } = await run(client, TASKS);
    rates.push(TASKS / seconds);
    console.log(
      `round ${round}: ${TASKS} no-op tasks, ${CONCURRENCY} at once: ${(TASKS / seconds).toFixed(0)}/s; ` +
        `submit to result p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`,
    );
  }
  console.log(`submitted and completed durably: ${quantile(rates, 0.5).toFixed(0)} tasks/s (median; goal 1000)`);
} finally {
  await organism.destroy();
}

/** Every task is submitted, and waited for until it has succeeded. */
async function run(
  client: Client<typeof coordinator>,
  count: number,
): Promise<{ seconds: number; p50Ms: number; p99Ms: number }> {
  const tookMs: number[] = [];
  const startedMs = performance.now();
  let begun = 0;
  const worker = async () => {
    while (begun++ < count) {
      const submittedMs = performance.now();
      const { id } = await client.submitTask({ type: "noop" });
      const task = await client.getTask({ id, waitMs: 60_000 });
      if (task.state !== "succeeded") throw new Error(`Task ${id} is ${task.state}: ${JSON.stringify(task.error)}`);
      tookMs.push(performance.now() - submittedMs);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  tookMs.sort((a, b) => a - b);
  const at = (share: number) => tookMs[Math.floor(tookMs.length * share)] ?? 0;
  return { seconds: (performance.now() - startedMs) / 1_000, p50Ms: at(0.5), p99Ms: at(0.99) };
}
