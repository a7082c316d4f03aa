/** One connection to PostgreSQL: statements go out together and are answered in order. */
import type { CompiledQuery } from "kysely";
import pg from "pg";
import { isServiceError } from "#core/service-error.ts";
import type { Row, WriteResult } from "./database.ts";
import { toFailure, toStorageError } from "./postgres-errors.ts";

export interface SessionOptions {
  readonly url: string;
  /** Of the URL, for messages. */
  readonly address: string;
  /** Where its tables are. */
  readonly schema: string;
  readonly lockTimeoutMs: number;
  /** A server that says nothing for so long is taken for gone. */
  readonly answerTimeoutMs: number;
}

export type Answer =
  | ({ readonly ok: true } & WriteResult & { readonly command: string })
  | { readonly ok: false; readonly error: unknown };

type Statement = Pick<CompiledQuery<unknown>, "sql" | "parameters">;

const CONNECT_TIMEOUT_MS = 5_000;
const GOODBYE_MS = 1_000;
/** A process that is stopped in the middle of a transaction gives its locks back after this, to who takes over. */
const ABANDONED_MS = 2_000;
/** Texts kept prepared; a query whose text varies with its data would otherwise fill the server's memory. */
const MAX_PREPARED = 500;

export class Session {
  readonly #client: pg.Client;
  readonly #names = new Map<string, string | undefined>();
  #isOpen = true;
  #namesGiven = 0;

  private constructor(client: pg.Client) {
    this.#client = client;
    const over = () => {
      this.#isOpen = false;
    };
    client.on("error", over);
    client.on("end", over);
  }

  /** @throws ServiceError STORAGE saying why there is no connection. */
  static async open(options: SessionOptions): Promise<Session> {
    const client = new pg.Client({
      connectionString: options.url,
      application_name: `seedcore ${options.schema}`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: options.answerTimeoutMs,
      keepAlive: true,
      // Statements go out before earlier ones are answered.
      pipeline: true,
      types: { getTypeParser: parserOf },
    });
    const session = new Session(client);
    try {
      await client.connect();
      await prepare(client, options);
      return session;
    } catch (error) {
      session.abandon();
      if (isServiceError(error)) throw error;
      const failure = toFailure(error, true);
      if (failure.kind === "again" || failure.kind === "statement") throw error;
      throw toStorageError(options.address, failure.reason, failure.detail);
    }
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Sends all at once; each is answered, also those after one that failed. Never rejects. */
  run(statements: readonly Statement[]): Promise<Answer[]> {
    return Promise.all(statements.map((statement) => this.#run(statement)));
  }

  /** Says goodbye, and does not wait long for an answer. */
  async close(): Promise<void> {
    this.#isOpen = false;
    const waiting = setTimeout(() => this.abandon(), GOODBYE_MS);
    await this.#client.end().catch(() => {});
    clearTimeout(waiting);
  }

  /** Drops the connection: the server undoes what is not committed and gives up its locks. */
  abandon(): void {
    this.#isOpen = false;
    this.#client.connection.stream.destroy();
  }

  async #run({ sql, parameters }: Statement): Promise<Answer> {
    const name = this.#nameOf(sql);
    try {
      const result = await this.#client.query<Row>({
        text: sql,
        values: parameters.map(toValue),
        ...(name === undefined ? {} : { name }),
      });
      return { ok: true, rowCount: result.rowCount ?? 0, rows: result.rows, command: result.command };
    } catch (error) {
      return { ok: false, error };
    }
  }

  /** A text is worth preparing when it comes a second time. */
  #nameOf(sql: string): string | undefined {
    const known = this.#names.get(sql);
    if (known !== undefined || this.#namesGiven === MAX_PREPARED) return known;
    if (!this.#names.has(sql)) {
      if (this.#names.size > 2 * MAX_PREPARED) this.#forgetUnnamed();
      this.#names.set(sql, undefined);
      return undefined;
    }
    const name = `s${++this.#namesGiven}`;
    this.#names.set(sql, name);
    return name;
  }

  #forgetUnnamed(): void {
    for (const [sql, name] of this.#names) if (name === undefined) this.#names.delete(sql);
  }
}

/** What this code relies on, whatever the server's or the user's settings are; makes the schema when it is not there. */
async function prepare(client: pg.Client, options: SessionOptions): Promise<void> {
  const schema = pg.escapeIdentifier(options.schema);
  await client.query(`
    set search_path to ${schema};
    set lock_timeout to ${options.lockTimeoutMs};
    set idle_in_transaction_session_timeout to ${ABANDONED_MS};
    set bytea_output to hex;
    set extra_float_digits to 3;
    select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`);
  const { rows } = await client.query<{ encoding: string; exists: number }>(
    "select current_setting('server_encoding') as encoding, exists (select from pg_namespace where nspname = $1) as exists",
    [options.schema],
  );
  const encoding = rows[0]?.encoding ?? "";
  if (encoding !== "UTF8") throw toStorageError(options.address, "encoding", `its encoding is ${encoding}`);
  if (rows[0]?.exists === 1) return;
  // Processes start together, and "if not exists" is no protection from another that makes it at the same time.
  await client.query(`
    begin;
    select pg_advisory_xact_lock(hashtextextended('seedcore schemas', 0));
    create schema if not exists ${schema};
    commit`);
}

function toValue(value: unknown): unknown {
  if (typeof value === "boolean") return value ? "1" : "0";
  return typeof value === "number" || typeof value === "bigint" ? String(value) : value;
}

/** Numbers of the types by which PostgreSQL says what a column holds. */
const BOOLEAN = 16;
const BYTES = 17;
const NUMBERS: ReadonlySet<number> = new Set([20, 21, 23, 26, 700, 701, 1700]);

function parserOf(oid: number): (text: string) => unknown {
  if (NUMBERS.has(oid)) return Number;
  if (oid === BYTES) return (text) => new Uint8Array(Buffer.from(text.slice(2), "hex"));
  if (oid === BOOLEAN) return (text) => (text === "t" ? 1 : 0);
  return (text) => text;
}
