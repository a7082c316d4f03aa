import type { CompiledQuery } from "kysely";
import type { Write } from "./database.ts";
import type { Batch, SqliteValue } from "./sqlite-protocol.ts";

/** Texts kept prepared; a query whose text varies with its data would otherwise fill the memory. */
const MAX_TEXTS = 500;

/** Numbers statement texts, so that each travels and is prepared once. */
export class StatementTexts {
  readonly #ids = new Map<string, number>();
  #new: [number, string][] = [];
  #forget = false;

  id(sql: string): number {
    const known = this.#ids.get(sql);
    if (known !== undefined) return known;
    const id = this.#ids.size;
    this.#ids.set(sql, id);
    this.#new.push([id, sql]);
    return id;
  }

  /** Call before a batch is put together: numbers stay valid within it. */
  startBatch(): void {
    this.#new = [];
    this.#forget = this.#ids.size > MAX_TEXTS;
    if (this.#forget) this.#ids.clear();
  }

  news(): Pick<Batch, "texts" | "forget"> {
    return { texts: this.#new, forget: this.#forget };
  }
}

/** Puts reads, then writes, into one message. */
export class BatchBuilder {
  readonly #texts: StatementTexts;
  readonly #shape: number[] = [];
  readonly #values: SqliteValue[] = [];
  readonly #bytes: Uint8Array[] = [];
  #readCount = 0;
  #writeCount = 0;

  constructor(texts: StatementTexts) {
    this.#texts = texts;
    texts.startBatch();
  }

  /** @returns the number of the statement's text */
  read(query: CompiledQuery<unknown>): number {
    this.#readCount++;
    this.#shape.push(1);
    return this.#statement({ query });
  }

  /** @returns the numbers of the statements' texts */
  write(statements: readonly Write[]): number[] {
    this.#writeCount++;
    this.#shape.push(statements.length);
    return statements.map((statement) => this.#statement(statement));
  }

  #statement({ query, expectRows = -1 }: Write): number {
    const id = this.#texts.id(query.sql);
    this.#shape.push(id, query.parameters.length, expectRows);
    for (const parameter of query.parameters) this.#parameter(parameter);
    return id;
  }

  #parameter(value: unknown): void {
    if (value instanceof Uint8Array) {
      this.#values.push(undefined);
      this.#bytes.push(value);
    } else if (typeof value === "boolean") {
      this.#values.push(value ? 1 : 0);
    } else {
      this.#values.push(value as SqliteValue);
    }
  }

  /** The message, and what of it is handed over rather than copied. */
  build(): { readonly batch: Batch; readonly transfer: ArrayBuffer[] } {
    const byteLengths = this.#bytes.map((part) => part.byteLength);
    const bytes = joined(this.#bytes, byteLengths);
    const batch: Batch = {
      ...this.#texts.news(),
      shape: this.#shape,
      readCount: this.#readCount,
      writeCount: this.#writeCount,
      values: this.#values,
      byteLengths,
      bytes,
    };
    return { batch, transfer: bytes === undefined ? [] : [bytes.buffer] };
  }
}

/** One copy of all parts: the callers keep theirs, and a small view of a large pool does not drag the pool along. */
function joined(parts: readonly Uint8Array[], lengths: readonly number[]): Uint8Array<ArrayBuffer> | undefined {
  if (parts.length === 0) return undefined;
  const all = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.byteLength;
  }
  return all;
}
