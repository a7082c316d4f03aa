/** A database whose handle can die under it, such as by the end of its thread: the next use opens another handle. */
import type { Database } from "./database.ts";

export interface MortalDatabase extends Database {
  /** Whether it will never answer again although nobody has closed it. */
  readonly isDead: boolean;
}

/** Repeats nothing: what a dead handle was asked is rejected by it, and its callers know whether that may be repeated. */
export function createReopening(first: MortalDatabase, open: () => Promise<MortalDatabase>): Database {
  let handle = first;
  let opening: Promise<MortalDatabase> | undefined;
  let statementsBefore = 0;
  let closed = false;

  const reopened = () => {
    opening ??= open()
      .then((fresh) => {
        statementsBefore += handle.statementCount;
        handle = fresh;
        return fresh;
      })
      .finally(() => {
        opening = undefined;
      });
    return opening;
  };
  const use = <T>(work: (database: Database) => Promise<T>): Promise<T> =>
    handle.isDead && !closed ? reopened().then(work) : work(handle);

  return {
    dialect: first.dialect,
    get statementCount() {
      return statementsBefore + handle.statementCount;
    },
    read: (query) => use((database) => database.read(query)),
    write: (statements) => use((database) => database.write(statements)),
    async close() {
      closed = true;
      if (opening !== undefined) await opening.catch(() => {});
      await handle.close();
    },
  };
}
