import { ServiceError } from "#core/service-error.ts";
import type { StorageFailure } from "./sqlite-protocol.ts";

/** A failure of the whole database in words: what happened, why, what to do. */
export function toStorageError(file: string, busyTimeoutMs: number, failure: StorageFailure): ServiceError {
  const { what, todo } = words(file, busyTimeoutMs)[failure.reason];
  const outcome = failure.maybe ? "Whether the write survives is not known" : "Nothing was written";
  return new ServiceError("STORAGE", `${what} (${failure.detail}). ${outcome}. ${todo}`, {
    started: failure.maybe ? "maybe" : "no",
    data: { reason: failure.reason, file },
  });
}

type Words = Readonly<Record<StorageFailure["reason"], { readonly what: string; readonly todo: string }>>;

function words(file: string, busyTimeoutMs: number): Words {
  return {
    full: {
      what: `The disk that holds ${file} is full`,
      todo: "Free some space: writing goes on by itself as soon as there is room.",
    },
    locked: {
      what: `The database ${file} was locked by another process for more than ${busyTimeoutMs} ms`,
      todo: `Find that process with \`fuser ${file}\` and let it finish, or stop it.`,
    },
    gone: {
      what: `The database file ${file} was removed or replaced while it was in use`,
      todo: "Stop the organism, put the file back or restore a backup, and start again.",
    },
    corrupt: {
      what: `The database ${file} is damaged`,
      todo: "Stop the organism, keep a copy of the file, and restore a backup.",
    },
    "not-a-database": {
      what: `${file} is not a database`,
      todo: "Move that file away, or choose another data directory.",
    },
    "read-only": {
      what: `The database ${file} cannot be written`,
      todo: "Check the permissions of the file and its directory, and how its disk is mounted.",
    },
    "cannot-open": {
      what: `The database ${file} cannot be opened`,
      todo: "Check that its directory exists and that this user may read and write there.",
    },
    "input-output": {
      what: `The disk failed while ${file} was in use`,
      todo: "Look at the kernel's log (`dmesg`) for errors of that disk.",
    },
    memory: { what: `There was not enough memory to use ${file}`, todo: "Free memory, then try again." },
  };
}
