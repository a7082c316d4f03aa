/** One organism over many rounds: write, kill, recover, compare. */
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, connect } from "#app/connect.ts";
import type { Random } from "#core/random.ts";
import { CallLog, unexcused } from "./call-log.ts";
import { Comparison } from "./comparison.ts";
import { runningHosts, killAndRecover, type Recovery } from "./kill.ts";
import { type Sent, type SourceLedger, sourceLedger } from "./ledger.ts";
import { OrganismUnderTest } from "./organism-under-test.ts";
import { planRound, type RoundPlan, type Victim, type WatchPlan } from "./plan.ts";
import { PROBE_SOURCE, throughGateway } from "./recovery.ts";
import { randomAt } from "./seeds.ts";
import { seriesScript } from "./series-script.ts";
import { StoredState } from "./stored-state.ts";
import { watchFile } from "./watch-command.ts";
import { type Read, readAlong, StopSign, writeChanges, writePoints, type WriterDeps, writeTasks } from "./writers.ts";

export interface RoundResult {
  readonly plan: RoundPlan;
  /** One sentence for everything that is not as promised; empty when all is. */
  readonly wrong: readonly string[];
  /** Failures that callers saw, as `<service>.<call> <code>`. */
  readonly failures: readonly string[];
  readonly recoveries: readonly Recovery[];
  readonly acknowledged: Acknowledged;
  readonly tookMs: number;
}

export interface Acknowledged {
  readonly points: number;
  readonly tasks: number;
  readonly changes: number;
  readonly crossings: number;
}

export class CrashRun {
  readonly #seed: number;
  readonly #organism: OrganismUnderTest;
  readonly #connection: Connection;
  readonly #stored: StoredState;
  readonly #comparison: Comparison;
  /** These go on through every round. */
  readonly #steady: readonly SourceLedger[];
  readonly #everything: { sources: SourceLedger[]; tasks: Sent[]; changes: Sent[] };

  private constructor(seed: number, organism: OrganismUnderTest, connection: Connection) {
    this.#seed = seed;
    this.#organism = organism;
    this.#connection = connection;
    this.#stored = new StoredState(connection, organism.home.dataDir);
    this.#comparison = new Comparison(this.#stored);
    this.#steady = ["steady-a", "steady-b", "steady-c"].map((source) => this.#newSource(source, ["a", "b", "c"]));
    this.#everything = { sources: [...this.#steady], tasks: [], changes: [] };
  }

  /** Starts an organism in a temporary home. */
  static async start(seed: number): Promise<CrashRun> {
    const organism = await OrganismUnderTest.create();
    try {
      await organism.start({ detached: false });
      const { namespace, directory } = organism.home;
      // One connection for the whole run: it has to find by itself what was started again.
      return new CrashRun(seed, organism, await connect({ namespace, home: dirname(directory) }));
    } catch (error) {
      await organism.close({ keepFiles: true });
      throw error;
    }
  }

  /** Where the organism keeps its files. */
  get directory(): string {
    return this.#organism.home.directory;
  }

  async close(options: { readonly keepFiles: boolean }): Promise<void> {
    await this.#connection.close();
    await this.#organism.close(options);
  }

  async round(number: number): Promise<RoundResult> {
    const beganMs = performance.now();
    const plan = planRound(this.#seed, number);
    const hosts = await runningHosts(this.#connection);
    const sources = [...this.#steady, this.#newSource(`fresh-${number}`, ["x", "y"])];
    const tasks: Sent[] = [];
    const changes: Sent[] = [];
    const calls = new CallLog();
    const wrong: string[] = [];

    const pointsBefore = acknowledgedPoints(sources);
    const stop = new StopSign();
    const deps = (writer: number) => this.#writerDeps(randomAt(this.#seed, number, writer), calls, wrong);
    const writing = Promise.all([
      ...sources.map((ledger, i) => writePoints(ledger, stop, deps(10 + i))),
      writeTasks(`task-${number}-a`, tasks, stop, deps(20)),
      writeTasks(`task-${number}-b`, tasks, stop, deps(21)),
      writeChanges(`change-${number}`, changes, stop, deps(30)),
      readAlong(this.#reads(plan.victims), stop, deps(40)),
    ]);
    // Looked at below; a writer that gives up meanwhile must not end the process.
    writing.catch(() => {});
    const back = Promise.withResolvers<void>();
    const watching = plan.watch === undefined ? undefined : this.#watch(plan, plan.watch, back.promise, wrong);
    await sleep(plan.killAfterMs);
    const { outages, recoveries } = await killAndRecover(plan, hosts, this.#organism, this.#connection, wrong);
    back.resolve();
    stop.ask();
    await writing;
    const watched = await watching;
    if (watched !== undefined) sources.push(watched);

    wrong.push(...unexcused(calls.failed, outages));
    wrong.push(...(await this.#stored.quiet()));
    const written = { sources, tasks, changes, changesPrefix: `change-${number}-` };
    const crossings = await this.#comparison.compare(written, wrong);
    this.#everything.sources.push(...sources.filter((ledger) => !this.#steady.includes(ledger)));
    this.#everything.tasks.push(...tasks);
    this.#everything.changes.push(...changes);
    return {
      plan,
      wrong,
      failures: calls.failed.map(({ service, call, code }) => `${service}.${call} ${code}`),
      recoveries,
      acknowledged: {
        points: acknowledgedPoints(sources) - pointsBefore,
        tasks: tasks.filter(({ id }) => id !== undefined).length,
        changes: changes.filter(({ id }) => id !== undefined).length,
        crossings,
      },
      tookMs: performance.now() - beganMs,
    };
  }

  #watch(
    { round, victims }: RoundPlan,
    plan: WatchPlan,
    isBack: Promise<void>,
    wrong: string[],
  ): Promise<SourceLedger> {
    const isDown = victims.includes("supervisor");
    return watchFile({ seed: this.#seed, round, plan, organism: this.#organism, isBack, isDown }, wrong);
  }

  /** Everything of every round once more, from the first point to the last. @returns what is wrong */
  async compareEverything(): Promise<string[]> {
    const wrong = await this.#stored.quiet();
    await new Comparison(this.#stored).compare({ ...this.#everything, changesPrefix: "change-" }, wrong);
    const known = new Set([PROBE_SOURCE, ...this.#everything.sources.map(({ source }) => source)]);
    for (const source of await this.#stored.sources()) {
      if (!known.has(source)) wrong.push(`points of a source "${source}" are stored, which never sent any`);
    }
    wrong.push(...this.#stored.defects());
    return wrong;
  }

  #newSource(source: string, series: readonly string[]): SourceLedger {
    return sourceLedger(
      source,
      series.map((name) => seriesScript(this.#seed, source, name)),
    );
  }

  #writerDeps(random: Random, calls: CallLog, wrong: string[]): WriterDeps {
    const ml = this.#connection.getServiceClient("ml");
    return { ml, coordinator: this.#connection.getServiceClient("coordinator"), calls, random, wrong };
  }

  /** Reads of every service; the one through the gateway goes to a service that stays. */
  #reads(victims: readonly Victim[]): Read[] {
    const connection = this.#connection;
    const behind = victims.includes("ml") ? "/coordinator/status" : "/ml/status";
    const path = victims.includes("ml") && victims.includes("core") ? "/-/ping" : behind;
    return [
      { service: "ml", call: "status", run: () => connection.getServiceClient("ml").status({}) },
      { service: "coordinator", call: "status", run: () => connection.getServiceClient("coordinator").status({}) },
      { service: "telemetry", call: "status", run: () => connection.getServiceClient("telemetry").status({}) },
      {
        service: "gateway",
        call: path,
        run: () => throughGateway(connection.gatewayUrl, path, this.#organism.token()),
      },
    ];
  }
}

function acknowledgedPoints(sources: readonly SourceLedger[]): number {
  let points = 0;
  for (const { batches } of sources) {
    for (const { fate, slices } of batches) {
      if (fate === "acknowledged") for (const { from, to } of slices) points += to - from;
    }
  }
  return points;
}
