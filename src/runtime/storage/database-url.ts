/** What a database URL says. What is made of it may be shown to people: it never holds a user's name or password. */
import { ServiceError } from "#core/service-error.ts";

export type DatabasePlace =
  | { readonly dialect: "sqlite"; readonly directory: string }
  | {
      readonly dialect: "postgres";
      /** `host:port/database` */
      readonly address: string;
    };

/**
 * Reads `sqlite:<directory>` or `postgres://user:password@host:port/database`.
 * @throws ServiceError INVALID_INPUT for anything else.
 */
export function toDatabasePlace(url: string): DatabasePlace {
  if (/^postgres(ql)?:/i.test(url)) return { dialect: "postgres", address: toPostgresAddress(url) };
  const directory = /^sqlite:(.+)$/.exec(url)?.[1];
  if (directory !== undefined) return { dialect: "sqlite", directory };
  // A URL of another database server may carry a password: only its scheme is repeated.
  const scheme = /^[a-z0-9+]+:/i.exec(url)?.[0] ?? "no scheme";
  throw new ServiceError(
    "INVALID_INPUT",
    `The database URL has ${scheme}, which is not supported. Write postgres://user:password@host:5432/database, ` +
      "or sqlite:<directory>, such as sqlite:/var/lib/seedcore.",
  );
}

/** Where it is, for people to read. */
export function describePlace(place: DatabasePlace): string {
  return place.dialect === "postgres" ? `PostgreSQL at ${place.address}` : `SQLite in ${place.directory}`;
}

function toPostgresAddress(url: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new ServiceError(
      "INVALID_INPUT",
      "The PostgreSQL URL cannot be read. Write postgres://user:password@host:5432/database, with special characters " +
        "of the password percent-encoded.",
    );
  }
  const host = parsed.searchParams.get("host") ?? decodeURIComponent(parsed.hostname);
  const port = parsed.port === "" ? (parsed.searchParams.get("port") ?? "5432") : parsed.port;
  const database = decodeURIComponent(parsed.pathname.slice(1)) || decodeURIComponent(parsed.username) || "postgres";
  return `${host === "" ? "localhost" : host}:${port}/${database}`;
}

/** What PostgreSQL keeps of a name, in bytes. */
const MAX_NAME_BYTES = 63;

/**
 * The schema in which a named database of an organism lives, so that organisms can share a server. Different for
 * different pairs: a database's name holds no underscore.
 * @throws ServiceError INVALID_INPUT when the namespace is too long to be kept apart from others.
 */
export function toSchemaName(namespace: string, database: string): string {
  const schema = `${namespace}__${database}`;
  if (Buffer.byteLength(schema) <= MAX_NAME_BYTES) return schema;
  const longest = MAX_NAME_BYTES - Buffer.byteLength(`__${database}`);
  throw new ServiceError(
    "INVALID_INPUT",
    `The namespace "${namespace}" is too long for PostgreSQL: its tables live in the schema "${schema}", and a name ` +
      `has ${MAX_NAME_BYTES} characters at most. Choose a namespace of up to ${longest}.`,
  );
}
