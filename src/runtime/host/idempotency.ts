/**
 * Idempotency keys. A key is reserved before the work begins, and the answer is stored with the work's own effect; so a
 * repeat gets the first answer, or is told that nobody knows it, but never does the work again.
 */
import type { CompiledQuery } from "kysely";
import type { Clock } from "#core/clock.ts";
import { fromProblem, type Problem, ServiceError, toProblem, toServiceError } from "#core/service-error.ts";
import { createBuilder } from "../storage/builder.ts";
import type { Database } from "../storage/database.ts";
import type { Schema } from "../storage/migration.ts";

/** How long a key is remembered, in milliseconds: 24 hours. After that it counts as a new one. */
export const KEY_KEPT_MS = 24 * 3_600_000;

/** Expired keys are deleted at most this often, and only when a key is reserved: an idle host runs no statement. */
const SWEEP_EVERY_MS = 3_600_000;
/** Deleted with one reservation at most, so that it is not held up for long; the next one goes on. */
const SWEEP_ROWS = 1_000;

interface Tables {
  idempotency_keys: {
    caller: string;
    procedure: string;
    key: string;
    body_hash: string;
    /** The replica whose process runs the work; empty once it is known to have ended without an answer. */
    replica: string;
    created_ms: number;
    /** The stored outcome as JSON; null while there is none. */
    outcome: string | null;
  };
}

type Outcome = { readonly answer: unknown } | { readonly problem: Problem };

/** Add it to the schemas of every database that serves as a service's `database`. */
export const idempotencySchema: Schema = {
  owner: "idempotency",
  migrations: [
    {
      version: 1,
      oldestCompatible: 1,
      statements: (builder) => [
        builder.schema
          .createTable("idempotency_keys")
          .addColumn("caller", "text", (column) => column.notNull())
          .addColumn("procedure", "text", (column) => column.notNull())
          .addColumn("key", "text", (column) => column.notNull())
          .addColumn("body_hash", "text", (column) => column.notNull())
          .addColumn("replica", "text", (column) => column.notNull())
          .addColumn("created_ms", "bigint", (column) => column.notNull())
          .addColumn("outcome", "text")
          .addPrimaryKeyConstraint("idempotency_key", ["caller", "procedure", "key"])
          .compile(),
        builder.schema.createIndex("idempotency_created").on("idempotency_keys").column("created_ms").compile(),
      ],
    },
  ],
};

export interface IdempotencyKey {
  /** Subject of the caller's token: keys of two callers never meet. */
  readonly caller: string;
  /** `<service>.<procedure>` */
  readonly procedure: string;
  readonly key: string;
}

export type Reservation =
  | { readonly state: "new"; readonly run: ReservedRun }
  | { readonly state: "done"; readonly answer: unknown };

/** The one run of the work behind a key. End it with `complete` or `fail`. */
export interface ReservedRun {
  /** The statement that stores the answer; for the handler's own write. */
  storeAnswer(answer: unknown): CompiledQuery;
  /** The work is done. Stores the answer unless the handler did so with its effect. */
  complete(answer: unknown): Promise<void>;
  /**
   * The work failed. When it certainly did not start, the key is free again; when the error is the answer (a refusal
   * by the work itself), it is stored and repeated; else a repeat is told OUTCOME_UNKNOWN. Never rejects.
   */
  fail(error: ServiceError): Promise<void>;
}

export interface IdempotencyStore {
  /**
   * Reserves the key for one run of the work, or gives what that run answered.
   * @param bodyHash of the request, so that a key cannot stand for two of them
   * @throws ServiceError KEY_REUSED for another body; KEY_IN_PROGRESS while the first run lives; OUTCOME_UNKNOWN when
   *   it ended, or its process died, without an answer; the stored error when the answer was one.
   */
  reserve(key: IdempotencyKey, bodyHash: string): Promise<Reservation>;
}

export interface IdempotencyDeps {
  /** Migrated with `idempotencySchema`. */
  readonly db: Database;
  readonly clock: Clock;
  /** This process. */
  readonly replicaId: string;
  /** Whether another process still runs; one that is in the present topology does. */
  readonly isAlive: (replicaId: string) => boolean;
}

export function createIdempotencyStore({ db, clock, replicaId, isAlive }: IdempotencyDeps): IdempotencyStore {
  const builder = createBuilder<Tables>(db.dialect);
  /** Runs of this process that have not ended. */
  const running = new Set<string>();
  let sweptAtMs = Number.NEGATIVE_INFINITY;

  const insertion = (key: IdempotencyKey, bodyHash: string): CompiledQuery =>
    builder
      .insertInto("idempotency_keys")
      .values({ ...key, body_hash: bodyHash, replica: replicaId, created_ms: clock.now(), outcome: null })
      .onConflict((conflict) =>
        conflict
          .columns(["caller", "procedure", "key"])
          .doUpdateSet((eb) => ({
            body_hash: eb.ref("excluded.body_hash"),
            replica: eb.ref("excluded.replica"),
            created_ms: eb.ref("excluded.created_ms"),
            outcome: null,
          }))
          .where("idempotency_keys.created_ms", "<", clock.now() - KEY_KEPT_MS),
      )
      .compile();

  /** Only the run that reserved a key, and only while it has no outcome, may change its row. */
  const update = (key: IdempotencyKey, change: { replica?: string; outcome?: string }): CompiledQuery =>
    builder
      .updateTable("idempotency_keys")
      .set(change)
      .where((eb) => eb.and({ ...key, replica: replicaId }))
      .where("outcome", "is", null)
      .compile();

  const deletion = (key: IdempotencyKey): CompiledQuery =>
    builder
      .deleteFrom("idempotency_keys")
      .where((eb) => eb.and({ ...key, replica: replicaId }))
      .where("outcome", "is", null)
      .compile();

  const read = async (key: IdempotencyKey) => {
    const rows = await db.read(
      builder
        .selectFrom("idempotency_keys")
        .selectAll()
        .where((eb) => eb.and({ ...key }))
        .compile(),
    );
    return rows[0];
  };

  /** Deletes expired keys in the commit of the reservation that finds it is time; a part of them when they are many. */
  const sweep = (): CompiledQuery[] => {
    if (clock.monotonic() - sweptAtMs < SWEEP_EVERY_MS) return [];
    sweptAtMs = clock.monotonic();
    return [
      builder
        .deleteFrom("idempotency_keys")
        .where((eb) =>
          eb(
            eb.refTuple("caller", "procedure", "key"),
            "in",
            eb
              .selectFrom("idempotency_keys")
              .select(["caller", "procedure", "key"])
              .where("created_ms", "<", clock.now() - KEY_KEPT_MS)
              .limit(SWEEP_ROWS)
              .$asTuple("caller", "procedure", "key"),
          ),
        )
        .compile(),
    ];
  };

  const createRun = (key: IdempotencyKey): ReservedRun => {
    const name = nameOf(key);
    return {
      storeAnswer(answer) {
        return update(key, { outcome: toText({ answer: answer ?? null }) });
      },
      async complete(answer) {
        try {
          // Changes nothing, and so costs no sync, when the handler stored it with its effect.
          await db.write([update(key, { outcome: toText({ answer: answer ?? null }) })]);
        } catch (error) {
          const message = `The work is done, but its answer could not be stored. ${toServiceError(error).message}`;
          throw new ServiceError("STORAGE", message, { cause: error, started: "yes" });
        } finally {
          running.delete(name);
        }
      },
      async fail(error) {
        try {
          await db.write([settled(key, error)]);
        } catch {
          // The caller has to hear of `error`, not of this. Its key stays reserved by a run that has ended, which a
          // repeat is told as OUTCOME_UNKNOWN: the safe side.
        } finally {
          running.delete(name);
        }
      },
    };
  };

  const settled = (key: IdempotencyKey, error: ServiceError): CompiledQuery => {
    if (error.notStarted) return deletion(key);
    if (error.started === "yes" && error.status < 500)
      return update(key, { outcome: toText({ problem: toProblem(error) }) });
    return update(key, { replica: "" });
  };

  /** What a key that is already there tells its caller. */
  const answerOf = (row: Tables["idempotency_keys"], bodyHash: string): Reservation => {
    if (row.body_hash !== bodyHash) {
      throw new ServiceError("KEY_REUSED", `The idempotency key "${row.key}" was used for another request before.`);
    }
    if (row.outcome !== null) {
      const outcome = JSON.parse(row.outcome) as Outcome;
      if ("problem" in outcome) throw fromProblem(outcome.problem, outcome.problem.status);
      return { state: "done", answer: outcome.answer };
    }
    const runs = row.replica === replicaId ? running.has(nameOf(row)) : row.replica !== "" && isAlive(row.replica);
    if (runs) {
      throw new ServiceError("KEY_IN_PROGRESS", `The first call with the idempotency key "${row.key}" still runs.`, {
        retryAfterMs: 1_000,
      });
    }
    throw new ServiceError(
      "OUTCOME_UNKNOWN",
      `The first call with the idempotency key "${row.key}" ended without an answer: it may or may not have taken effect.`,
    );
  };

  return {
    async reserve(key, bodyHash) {
      const name = nameOf(key);
      if (!running.has(name)) {
        // Marked before the write, so that a repeat that reads the new row at once finds its run alive.
        running.add(name);
        let reserved = false;
        try {
          const [inserted, swept] = await db.write([insertion(key, bodyHash), ...sweep()]);
          reserved = inserted?.rowCount === 1;
          if (swept?.rowCount === SWEEP_ROWS) sweptAtMs = Number.NEGATIVE_INFINITY;
        } finally {
          if (!reserved) running.delete(name);
        }
        if (reserved) return { state: "new", run: createRun(key) };
      }
      const row = await read(key);
      if (row !== undefined) return answerOf(row, bodyHash);
      // The first call was released, or is being reserved, between our two looks.
      throw new ServiceError("KEY_IN_PROGRESS", `The idempotency key "${key.key}" is being used right now.`, {
        retryAfterMs: 100,
      });
    },
  };
}

function nameOf({ caller, procedure, key }: IdempotencyKey): string {
  return JSON.stringify([caller, procedure, key]);
}

function toText(outcome: Outcome): string {
  return JSON.stringify(outcome);
}
