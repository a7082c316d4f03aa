/** What the organism holds: asked of its services, and where they offer no list, read from its database. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "#app/connect.ts";
import type { StoredIncident, StoredTask } from "./check-coordinator.ts";
import type { SourceCheck, StoredPoint, StoredSource } from "./check-source.ts";
import type { SourceLedger } from "./ledger.ts";

/** What is read is whole series, on a machine that may be busy with anything: late is not lost. */
const PATIENT = { deadlineMs: 60_000 };
const PAGE_POINTS = 100_000;
const PAGE_TASKS = 1_000;
/** Outboxes wait between deliveries that failed: this is longer than any outage here makes them wait. */
const QUIET_WITHIN_MS = 20_000;

export interface CrossingLink {
  readonly crossing: string;
  readonly incident: string;
}

export class StoredState {
  readonly #connection: Connection;
  readonly #dataDir: string;

  constructor(connection: Connection, dataDir: string) {
    this.#connection = connection;
    this.#dataDir = dataDir;
  }

  /** Waits until no message is under way and no task is open; says what hinders it otherwise. */
  async quiet(): Promise<string[]> {
    const until = performance.now() + QUIET_WITHIN_MS;
    for (;;) {
      const waiting = [
        ...this.#query("points", "SELECT topic AS what, count(*) AS count FROM outbox GROUP BY topic"),
        ...this.#query("seedcore", "SELECT topic AS what, count(*) AS count FROM outbox GROUP BY topic"),
        ...this.#query(
          "seedcore",
          `SELECT 'tasks ' || state AS what, count(*) AS count FROM coordinator_tasks
           WHERE state IN ('scheduled', 'queued', 'running') GROUP BY state`,
        ),
      ] as unknown as { what: string; count: number }[];
      if (waiting.length === 0) return [];
      if (performance.now() > until) {
        return waiting.map(({ what, count }) => `after ${QUIET_WITHIN_MS} ms there still wait: ${count} ${what}`);
      }
      await sleep(20);
    }
  }

  /** Messages that were given up, and damage of the files. */
  defects(): string[] {
    return ["points", "seedcore"].flatMap((name) => {
      const dead = this.#query(name, "SELECT topic, id, reason FROM outbox_dead");
      const check = this.#query(name, "PRAGMA quick_check").map((row) => String(Object.values(row)[0]));
      return [
        ...dead.map((row) => `${name}.db gave up a message: ${JSON.stringify(row)}`),
        ...check.filter((line) => line !== "ok").map((line) => `${name}.db is damaged: ${line}`),
      ];
    });
  }

  /** The points of a source after those that were checked. */
  async source(ledger: SourceLedger, check: SourceCheck): Promise<StoredSource> {
    const ml = this.#connection.getServiceClient("ml");
    const { source } = ledger;
    const known = await ml.source.try({ source }, PATIENT);
    const info = known.ok ? known.value : { cursor: null, series: [] };
    const points = await Promise.all(
      ledger.series.map(async ({ name }, number) => {
        if (!info.series.some((series) => series.name === name)) return [];
        const fromMs = (check.checkedToMs[number] ?? -1) + 1;
        const found: StoredPoint[][] = [];
        // The service gives the newest of a range, so the pages go backwards.
        for (let toMs = 1e15; ; ) {
          const page = (await ml.points({ source, series: name, fromMs, toMs, limit: PAGE_POINTS }, PATIENT)).points;
          found.push(page);
          if (page.length < PAGE_POINTS) break;
          toMs = (page[0]?.[0] ?? 0) - 1;
        }
        return found.reverse().flat();
      }),
    );
    const counts = ledger.series.map(({ name }) => info.series.find((series) => series.name === name)?.points ?? 0);
    return { cursor: info.cursor, points, counts };
  }

  /** Names of every source that holds points. */
  async sources(): Promise<string[]> {
    return (await this.#connection.getServiceClient("ml").sources({}, PATIENT)).sources.map(({ source }) => source);
  }

  /** The no-op tasks that were submitted after `after`, newest first. */
  async tasksAfter(after: string | undefined): Promise<StoredTask[]> {
    const coordinator = this.#connection.getServiceClient("coordinator");
    const found: StoredTask[] = [];
    for (let before: string | undefined; ; ) {
      const page = { type: "noop", limit: PAGE_TASKS, ...(before === undefined ? {} : { before }) };
      const { tasks } = await coordinator.listTasks(page, PATIENT);
      const end = tasks.findIndex(({ id }) => id === after);
      found.push(...(end < 0 ? tasks : tasks.slice(0, end)));
      if (end >= 0 || tasks.length < PAGE_TASKS) return found;
      before = tasks.at(-1)?.id;
    }
  }

  /** Changes that a writer reported, by the beginning of their marker. */
  changes(prefix: string): { readonly id: string; readonly marker: string }[] {
    return this.#query(
      "seedcore",
      "SELECT id, summary AS marker FROM coordinator_changes WHERE target = 'crash' AND substr(summary, 1, ?) = ?",
      prefix.length,
      prefix,
    ) as unknown as { id: string; marker: string }[];
  }

  /** Crossings after the first `skip`, in the order they were taken. */
  crossings(skip: number): CrossingLink[] {
    return this.#query(
      "seedcore",
      "SELECT id AS crossing, incident_id AS incident FROM coordinator_crossings ORDER BY rowid LIMIT -1 OFFSET ?",
      skip,
    ) as unknown as CrossingLink[];
  }

  async incidents(ids: Iterable<string>): Promise<StoredIncident[]> {
    const coordinator = this.#connection.getServiceClient("coordinator");
    const left = [...ids];
    const found: StoredIncident[] = [];
    const readOn = async () => {
      for (let id = left.pop(); id !== undefined; id = left.pop())
        found.push(await coordinator.getIncident({ id }, PATIENT));
    };
    await Promise.all(Array.from({ length: 16 }, readOn));
    return found;
  }

  #query(name: string, sql: string, ...values: (string | number)[]): Record<string, unknown>[] {
    const database = new DatabaseSync(join(this.#dataDir, `${name}.db`), { readOnly: true, timeout: 5_000 });
    try {
      return database.prepare(sql).all(...values);
    } finally {
      database.close();
    }
  }
}
