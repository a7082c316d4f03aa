/** One live organism per namespace: a file lock the kernel releases when the process ends, however it ends. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

export interface NamespaceLock {
  release(): void;
}

/** @returns undefined when another process holds it. @throws Error when the file cannot be written. */
export function takeNamespaceLock(file: string): NamespaceLock | undefined {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const lock = new DatabaseSync(file, { timeout: 0 });
  try {
    // Not WAL: there an exclusive transaction is no lock against other processes' opening.
    lock.exec("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if (/locked|busy/i.test((error as Error).message)) return undefined;
    throw error;
  }
  return { release: () => lock.close() };
}
