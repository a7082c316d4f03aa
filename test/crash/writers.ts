/** The writers of a round: each goes on, through whatever happens, until it was told to stop and has succeeded since. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "#core/random.ts";
import type { coordinator } from "#contracts/coordinator.ts";
import type { ml } from "#contracts/ml.ts";
import type { CallOptions, Client } from "#runtime/client/client.ts";
import { type CallLog, mayPass } from "./call-log.ts";
import type { Batch, Sent, Slice, SourceLedger } from "./ledger.ts";
import { between } from "./seeds.ts";

export interface WriterDeps {
  readonly ml: Pick<Client<typeof ml>, "ingest">;
  readonly coordinator: Pick<Client<typeof coordinator>, "submitTask" | "reportChange">;
  readonly calls: CallLog;
  readonly random: Random;
  /** Anything an answer says that cannot be. */
  readonly wrong: string[];
}

export class StopSign {
  #askedAtMs = Number.POSITIVE_INFINITY;

  ask(): void {
    this.#askedAtMs = performance.now();
  }

  /** Whether a call that began then and succeeded was the last one needed. */
  isEnough(startedAtMs: number): boolean {
    return startedAtMs >= this.#askedAtMs;
  }
}

const MOST_POINTS = 200;
/** A writer that cannot get through for so long ends the run. */
const GIVE_UP_AFTER_MS = 45_000;

/** Sends the points of one source, in order, in batches over its series. */
export async function writePoints(ledger: SourceLedger, stop: StopSign, deps: WriterDeps): Promise<void> {
  const { random } = deps;
  for (;;) {
    const slices = drawSlices(ledger.next, random);
    const cursor = `${ledger.source}#${ledger.batches.length}`;
    const startedAtMs = performance.now();
    const fate = await settle(ledger, slices, cursor, deps);
    ledger.batches.push({ slices, cursor, fate });
    if (fate === "acknowledged" && stop.isEnough(startedAtMs)) return;
    await sleep(between(random, 2, 25));
  }
}

/** Sends one batch until its fate is known, or leaves it unknown. */
async function settle(
  ledger: SourceLedger,
  slices: readonly Slice[],
  cursor: string,
  { ml, calls, random, wrong }: WriterDeps,
): Promise<Batch["fate"]> {
  const series = slices.map(({ series, from, to }) => {
    const script = ledger.series[series] as SourceLedger["series"][number];
    const points = Array.from({ length: to - from }, (_, i) => [...script.point(from + i)] as [number, number]);
    return { name: script.name, points };
  });
  const count = slices.reduce((sum, { from, to }) => sum + to - from, 0);
  const giveUpAtMs = performance.now() + GIVE_UP_AFTER_MS;
  for (let isFirst = true; ; isFirst = false) {
    const answer = await calls.attempt("ml", "ingest", () => ml.ingest({ source: ledger.source, series, cursor }));
    if (answer.ok) {
      const { accepted, late, rejected, crossings } = answer.value;
      if (rejected !== 0 || accepted + late !== count || (accepted !== 0 && late !== 0)) {
        wrong.push(`batch ${cursor} of ${count} points was answered ${JSON.stringify({ accepted, late, rejected })}`);
      }
      ledger.crossings.push(...crossings.map(({ id }) => id));
      return "acknowledged";
    }
    if (isFirst && random.next() < 0.3) return "unknown";
    if (!mayPass(answer.error) || performance.now() > giveUpAtMs) {
      throw new Error(`batch ${cursor} cannot be sent: ${answer.error.code} ${answer.error.message}`);
    }
    await sleep(between(random, 5, 50));
  }
}

/** 1 to 200 points, spread over some of the series. */
function drawSlices(next: number[], random: Random): Slice[] {
  const slices: Slice[] = [];
  let left = between(random, 1, MOST_POINTS);
  const first = between(random, 0, next.length - 1);
  for (let i = 0; i < next.length && left > 0; i++) {
    const series = (first + i) % next.length;
    const points = i === next.length - 1 ? left : between(random, 1, left);
    const from = next[series] ?? 0;
    slices.push({ series, from, to: from + points });
    next[series] = from + points;
    left -= points;
  }
  return slices;
}

/**
 * Submits tasks. Half of them bring their own key and are sent again under it when the answer was lost; the others are
 * left alone then. Either way there may be one of each.
 */
export async function writeTasks(name: string, sent: Sent[], stop: StopSign, deps: WriterDeps): Promise<void> {
  const { coordinator, random } = deps;
  await writeMarked("submitTask", name, sent, stop, deps, (marker) => {
    const durationMs = random.next() < 0.3 ? between(random, 1, 80) : 0;
    const task = { type: "noop", description: marker, params: { durationMs } };
    return (options) => coordinator.submitTask(task, options);
  });
}

/** Reports changes, half of them with an id of their own. */
export async function writeChanges(name: string, sent: Sent[], stop: StopSign, deps: WriterDeps): Promise<void> {
  const { coordinator, random } = deps;
  await writeMarked("reportChange", name, sent, stop, deps, (marker) => {
    const id = random.next() < 0.5 ? { id: `change_${marker}` } : {};
    const change = { kind: "note", target: "crash", summary: marker, ...id };
    return (options) => coordinator.reportChange(change, options);
  });
}

async function writeMarked(
  call: string,
  name: string,
  sent: Sent[],
  stop: StopSign,
  { calls, random }: WriterDeps,
  prepare: (marker: string) => (options: CallOptions) => Promise<{ readonly id: string }>,
): Promise<void> {
  for (let number = 0; ; number++) {
    const marker = `${name}-${number}`;
    const send = prepare(marker);
    const options = random.next() < 0.5 ? { idempotencyKey: `key-${marker}` } : {};
    const startedAtMs = performance.now();
    const giveUpAtMs = startedAtMs + GIVE_UP_AFTER_MS;
    let id: string | undefined;
    for (;;) {
      const answer = await calls.attempt("coordinator", call, () => send(options));
      id = answer.ok ? answer.value.id : undefined;
      const code = answer.ok ? undefined : answer.error.code;
      // Who has no key of its own, or is told that nobody knows, does not ask again.
      if (answer.ok || options.idempotencyKey === undefined || code === "OUTCOME_UNKNOWN") break;
      if (!mayPass(answer.error) || performance.now() > giveUpAtMs) {
        throw new Error(`${call} ${marker} cannot be settled: ${code} ${answer.error.message}`);
      }
      await sleep(between(random, 5, 50));
    }
    sent.push({ marker, id });
    if (id !== undefined && stop.isEnough(startedAtMs)) return;
    await sleep(between(random, 2, 30));
  }
}

/** Reads of every service, all idempotent; none may fail but of what was killed. */
export async function readAlong(reads: readonly Read[], stop: StopSign, { calls }: WriterDeps): Promise<void> {
  let succeededAtMs = performance.now();
  for (;;) {
    const startedAtMs = performance.now();
    const answers = await Promise.all(reads.map(({ service, call, run }) => calls.attempt(service, call, run)));
    const failed = answers.find(({ ok }) => !ok);
    if (failed === undefined || failed.ok) {
      if (stop.isEnough(startedAtMs)) return;
      succeededAtMs = startedAtMs;
    } else if (startedAtMs - succeededAtMs > GIVE_UP_AFTER_MS) {
      const { service, call, code, message } = failed.error;
      throw new Error(`${service}.${call} fails for ${GIVE_UP_AFTER_MS} ms: ${code} ${message}`);
    }
    await sleep(20);
  }
}

export interface Read {
  readonly service: string;
  readonly call: string;
  readonly run: () => Promise<unknown>;
}
