/** What PostgreSQL's errors mean to a write, and in words. */
import { ServiceError } from "#core/service-error.ts";

export type PostgresReason = keyof typeof WORDS;

/**
 * - `again`: the server undid the transaction for reasons of its own; the same may succeed now.
 * - `lost`: the connection is gone; what was not committed did not happen.
 * - `held-up`: the statement was given up, since a lock stood in its way or somebody cancelled it.
 * - `storage`: no statement can be run, or written, at present.
 * - `statement`: the statement itself is at fault.
 */
export type PostgresFailure =
  | { readonly kind: "again"; readonly detail: string }
  | { readonly kind: "statement"; readonly detail: string }
  | { readonly kind: "lost" | "held-up" | "storage"; readonly reason: PostgresReason; readonly detail: string };

/** SQLSTATEs after which nothing is known to be wrong with the statement; whole classes by their first two characters. */
const BY_CODE: Readonly<Record<string, PostgresReason>> = {
  "08": "lost",
  "28": "login",
  "3D000": "no-database",
  "25006": "read-only",
  "53100": "full",
  "53200": "memory",
  "53300": "too-many-connections",
  "42501": "forbidden",
  "55P03": "locked",
  "57014": "cancelled",
  "57P01": "restarting",
  "57P02": "restarting",
  "57P03": "restarting",
  "57P05": "lost",
  "25P03": "lost",
  "58": "input-output",
  XX: "corrupt",
};

/** Serialization failure, deadlock. */
const AGAIN: ReadonlySet<string> = new Set(["40001", "40P01"]);

/** Errors of the socket. */
const REACHING: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
  "ENOENT",
  "EACCES",
]);

interface DriverError extends Error {
  readonly code?: string;
  readonly severity?: string;
  readonly routine?: string;
}

/** @param isOpening the connection was not made yet, so that nothing can have been asked over it */
export function toFailure(thrown: unknown, isOpening = false): PostgresFailure {
  const error = thrown as DriverError;
  const code = error.code ?? "";
  const detail = `${error.message.replace(/\.$/, "")}${code === "" || error.message.includes(code) ? "" : `, ${code}`}`;
  if (!/^[0-9A-Z]{5}$/.test(code) || error.severity === undefined) {
    if (isOpening && REACHING.has(code)) return { kind: "storage", reason: "unreachable", detail };
    if (isOpening && /SASL|password/i.test(error.message)) return { kind: "storage", reason: "login", detail };
    if (isOpening && /SSL|TLS|certificate/i.test(`${error.message}${code}`))
      return { kind: "storage", reason: "encryption", detail };
    return { kind: isOpening ? "storage" : "lost", reason: isOpening ? "unreachable" : "lost", detail };
  }
  const reason = BY_CODE[code] ?? BY_CODE[code.slice(0, 2)];
  // The server ends the connection with these, whatever their code.
  if (!isOpening && error.severity !== "ERROR") return { kind: "lost", reason: reason ?? "lost", detail };
  if (AGAIN.has(code)) return { kind: "again", detail };
  if (reason === undefined) return { kind: "statement", detail };
  if (reason === "locked" || reason === "cancelled") return { kind: "held-up", reason, detail };
  return { kind: "storage", reason, detail };
}

/** A prepared `select *` whose table another version has given a new column since; to be prepared anew. */
export function isStalePlan(thrown: unknown): boolean {
  const { code, routine } = thrown as DriverError;
  return code === "0A000" && routine === "RevalidateCachedQuery";
}

/** A failure of the database in words: what happened, why, what to do. @param address without user and password */
export function toStorageError(
  address: string,
  reason: PostgresReason,
  detail: string,
  isOutcomeUnknown = false,
): ServiceError {
  const { what, todo } = WORDS[reason];
  const outcome = isOutcomeUnknown ? "Whether the write survives is not known" : "Nothing was written";
  return new ServiceError(
    "STORAGE",
    `${what.replace("$", `PostgreSQL at ${address}`)} (${detail}). ${outcome}. ${todo}`,
    {
      started: isOutcomeUnknown ? "maybe" : "no",
      data: { reason, database: address },
    },
  );
}

const WORDS = {
  unreachable: {
    what: "$ cannot be reached",
    todo: "Check that it runs and listens there, and host and port in DATABASE_URL.",
  },
  login: {
    what: "$ refuses the user or the password",
    todo: "Correct them in DATABASE_URL; special characters of a password are percent-encoded. pg_hba.conf on the server says who may come from where.",
  },
  encryption: {
    what: "No encrypted connection to $ came about",
    todo: "See sslmode and sslrootcert in DATABASE_URL.",
  },
  "no-database": { what: "There is no such database: $", todo: "Create it with `createdb`, or correct DATABASE_URL." },
  encoding: {
    what: "The database $ does not hold every text",
    todo: "Create one with `createdb --encoding=UTF8 --template=template0`.",
  },
  restarting: {
    what: "$ is starting, stopping or restarting",
    todo: "What waits is tried again; nothing has to be done.",
  },
  "read-only": {
    what: "$ takes no writes: it is a standby, or read-only",
    todo: "Point DATABASE_URL at the primary.",
  },
  full: {
    what: "The disk of $ is full",
    todo: "Free some space there: writing goes on by itself as soon as there is room.",
  },
  memory: { what: "$ had not enough memory", todo: "Look at its memory settings and at what else runs there." },
  "too-many-connections": {
    what: "$ has no connection left",
    todo: "Raise max_connections there: each host takes up to three for each of its databases.",
  },
  forbidden: {
    what: "The user may not do this in $",
    todo: "Grant it: the user needs CREATE on the database and owns what is made.",
  },
  locked: {
    what: "A lock in $ was held by someone else for too long",
    todo: "pg_stat_activity shows who; let it finish, or end it.",
  },
  contended: { what: "$ undid the write again and again, in favour of others", todo: "Try again." },
  cancelled: {
    what: "$ cancelled a statement",
    todo: "Somebody did so by hand, or statement_timeout is set too low for it.",
  },
  lost: { what: "The connection to $ was lost", todo: "It is made again when it is needed." },
  "input-output": { what: "The disk of $ failed", todo: "Look at the server's log." },
  corrupt: {
    what: "$ reports damage or a defect of its own",
    todo: "Look at the server's log; keep a copy before repairing.",
  },
} as const;
