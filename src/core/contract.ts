/**
 * Contracts: one declaration per service from which routes, validation, typed clients, OpenAPI, the command line and
 * the fakes are derived.
 */
import type { z } from "zod";

export type Method = "GET" | "POST" | "PUT" | "DELETE";

/** What a token must allow. Each of `operate`, `approve`, `admin` is separate; `admin` implies `read` and `operate`. */
export type Scope = "read" | "operate" | "approve" | "admin";

/** Data schemas of declared errors by code; a code that is not in the common table travels with status 422. */
export type ErrorSchemas = Readonly<Record<string, z.ZodType>>;

export interface Procedure<
  I extends z.ZodObject = z.ZodObject,
  O extends z.ZodType = z.ZodType,
  E extends ErrorSchemas = ErrorSchemas,
  S extends boolean = boolean,
> {
  /** One sentence for OpenAPI, the help of `call` and the docs page. */
  readonly summary: string;
  readonly method: Method;
  /** Below the service's name; `{field}` takes an input field of that name. */
  readonly path: `/${string}`;
  /** Fields it does not name are refused, unless it says what they are (`z.looseObject`, `catchall`). */
  readonly input: I;
  /** The answer; for a stream, one event. */
  readonly output: O;
  readonly errors: E;
  /** Whether repeating the call has no further effect. Others take an `Idempotency-Key`. */
  readonly idempotent: boolean;
  /** The longest a caller waits unless it says otherwise. For a stream: until it is open. */
  readonly deadlineMs: number;
  readonly scope: Scope;
  /** The input field, also in the path, whose value picks the shard. Only for services with sharded state. */
  readonly shardBy: string | undefined;
  readonly stream: S;
}

export interface ProcedureOptions<I, O, E, S> {
  readonly summary: string;
  readonly method: Method;
  readonly path: `/${string}`;
  readonly input: I;
  readonly output: O;
  readonly errors?: E;
  /** @default true for GET, PUT and DELETE, false for POST */
  readonly idempotent?: boolean;
  /** @default 5000 */
  readonly deadlineMs?: number;
  /** @default "read" for GET, "operate" otherwise */
  readonly scope?: Scope;
  readonly shardBy?: string;
  readonly stream?: S;
}

// biome-ignore lint: the empty record is the honest type of "declares no errors"
export type NoErrors = {};

/** Declares one procedure. @throws TypeError when the declaration contradicts itself. */
export function procedure<
  I extends z.ZodObject,
  O extends z.ZodType,
  E extends ErrorSchemas = NoErrors,
  S extends boolean = false,
>(options: ProcedureOptions<I, O, E, S>): Procedure<NoInfer<I>, NoInfer<O>, NoInfer<E>, NoInfer<S>> {
  const fields = new Set(Object.keys(options.input.shape));
  const inPath = pathParameters(options.path);
  for (const name of inPath) {
    if (!fields.has(name)) throw new TypeError(`${options.path} names {${name}}, which is no field of the input.`);
  }
  if (options.shardBy !== undefined && !inPath.includes(options.shardBy)) {
    throw new TypeError(
      `shardBy "${options.shardBy}" must be in the path ${options.path}, so that a gateway can route it.`,
    );
  }
  return {
    summary: options.summary,
    method: options.method,
    path: options.path,
    // A misspelt field that is left out in silence changes something else than was asked for.
    input: (options.input._zod.def.catchall === undefined ? options.input.strict() : options.input) as I,
    output: options.output,
    errors: options.errors ?? ({} as E),
    idempotent: options.idempotent ?? options.method !== "POST",
    deadlineMs: options.deadlineMs ?? 5_000,
    scope: options.scope ?? (options.method === "GET" ? "read" : "operate"),
    shardBy: options.shardBy,
    stream: options.stream ?? (false as S),
  };
}

export type Procedures = Readonly<Record<string, Procedure>>;

/** What state a service keeps, and so which replica may answer. */
export type StateKind = "none" | "sharded" | "single";

export interface Contract<P extends Procedures = Procedures> {
  readonly name: string;
  readonly summary: string;
  readonly state: StateKind;
  readonly procedures: P;
}

/** Declares a service. @throws TypeError for two procedures with one method and path. */
export function defineContract<P extends Procedures>(
  name: string,
  options: { readonly summary: string; readonly state: StateKind; readonly procedures: P },
): Contract<P> {
  if (!/^[a-z][a-z0-9-]*$/.test(name)) {
    throw new TypeError(`"${name}" cannot be a service's name: use lower-case letters, digits and "-".`);
  }
  const seen = new Map<string, string>();
  for (const [procedureName, declared] of Object.entries(options.procedures)) {
    const route = `${declared.method} ${declared.path.replace(/\{[^}]+\}/g, "{}")}`;
    const other = seen.get(route);
    if (other !== undefined)
      throw new TypeError(`${name}.${procedureName} and ${name}.${other} share the route ${route}.`);
    if (declared.shardBy !== undefined && options.state !== "sharded") {
      throw new TypeError(`${name}.${procedureName} has shardBy, but the state of "${name}" is ${options.state}.`);
    }
    seen.set(route, procedureName);
  }
  return { name, ...options };
}

/** The names in braces, in order. */
export function pathParameters(path: string): string[] {
  return [...path.matchAll(/\{([^}]+)\}/g)].map((match) => match[1] ?? "");
}

/** The path of one call, its parameters filled in and percent-encoded. */
export function toPath(contractName: string, declared: Procedure, input: Readonly<Record<string, unknown>>): string {
  const path = declared.path.replace(/\{([^}]+)\}/g, (_all, name: string) => encodeURIComponent(String(input[name])));
  return `/${contractName}${path === "/" ? "" : path}`;
}

/** Input as the caller writes it, defaults still open. */
export type InputOf<P> = P extends Procedure<infer I> ? z.input<I> : never;
/** Input as the handler receives it. */
export type ParsedInputOf<P> = P extends Procedure<infer I> ? z.output<I> : never;
/** Output as the caller receives it. */
export type OutputOf<P> = P extends Procedure<z.ZodObject, infer O> ? z.output<O> : never;
/** Output as the handler returns it. */
export type ReturnedOf<P> = P extends Procedure<z.ZodObject, infer O> ? z.input<O> : never;
export type ErrorsOf<P> = P extends Procedure<z.ZodObject, z.ZodType, infer E> ? E : never;

/** A declared error as a value: its code narrows its data. */
export type DeclaredError<P> = {
  [C in keyof ErrorsOf<P>]: { readonly code: C; readonly message: string; readonly data: z.output<ErrorsOf<P>[C]> };
}[keyof ErrorsOf<P>];
