import type { Contract, Procedure } from "#core/contract.ts";
import { z } from "zod";
import { ContractDescription, fromDescription } from "#runtime/contract-description.ts";
import { type JsonSchema, toJsonSchema } from "#runtime/openapi/json-schema.ts";
import { BUILT_IN_CONTRACTS } from "../../built-in-contracts.ts";
import { nearestName } from "../../nearest-name.ts";
import { asTyped } from "../command-name.ts";
import { CliError, usageError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { toJsonObject } from "../options.ts";
import type { Output } from "../output.ts";

interface Found {
  readonly name: string;
  readonly contract: Contract;
  readonly procedure: Procedure;
}

type Method = (input: unknown, options: { signal: AbortSignal }) => Promise<unknown> & AsyncIterable<unknown>;

/** `call SERVICE.PROCEDURE [JSON | - | --field value …]`: everything the contracts offer. */
export async function run(context: CommandContext, { args }: Invocation): Promise<ExitCode> {
  const { output } = context;
  const [name, ...rest] = args.filter((arg) => arg !== "--json");
  const asksHelp = args.includes("--help") || args.includes("-h");
  if (name === undefined || name.startsWith("-")) return list(output, asksHelp, await all(context));
  const found = await find(name, context);
  if (asksHelp) return explain(output, found);

  const input = await readInput(found, rest, context.stdin);
  const parsed = found.procedure.input.safeParse(input);
  if (!parsed.success) {
    throw usageError(
      `${found.name} cannot be called with ${JSON.stringify(input)}.`,
      ...parsed.error.issues.map((issue) => `${issue.path.join(".") || "input"}: ${issue.message}`),
      `Its fields: seedcore call ${found.name} --help`,
    );
  }
  const client = (await context.connect()).client(found.contract) as unknown as Record<string, Method>;
  const [, method = ""] = found.name.split(".");
  const call = client[method]?.(input, { signal: context.signal });
  // An answer is JSON anyway: for people with line breaks, for programs on one line.
  const print = (value: unknown) => {
    if (output.json || found.procedure.stream) process.stdout.write(`${JSON.stringify(value)}\n`);
    else process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  };
  if (!found.procedure.stream) {
    print(await call);
    return EXIT.ok;
  }
  try {
    for await (const event of call ?? []) print(event);
  } catch (error) {
    if (!context.signal.aborted) throw error;
  }
  return EXIT.ok;
}

function toFound(contract: Contract): Found[] {
  return Object.entries(contract.procedures).map(([name, procedure]) => ({
    name: `${contract.name}.${name}`,
    contract,
    procedure,
  }));
}

/** The built-in ones, and those of a person's own services where an organism runs that has some. */
async function all(context: CommandContext): Promise<Found[]> {
  return [...Object.values<Contract>(BUILT_IN_CONTRACTS), ...(await ownContracts(context))].flatMap(toFound);
}

async function ownContracts(context: CommandContext): Promise<readonly Contract[]> {
  try {
    const { hosts } = await (await context.connect()).getServiceClient("telemetry").status({});
    return hosts.flatMap(({ spec }) => z.array(ContractDescription).parse(spec.contracts ?? [])).map(fromDescription);
  } catch (error) {
    if (error instanceof CliError && error.exitCode === EXIT.running) return [];
    throw error;
  }
}

async function find(name: string, context: CommandContext): Promise<Found> {
  const builtIn = Object.values<Contract>(BUILT_IN_CONTRACTS)
    .flatMap(toFound)
    .find((one) => one.name === name);
  if (builtIn !== undefined) return builtIn;
  const known = await all(context);
  const found = known.find((one) => one.name === name);
  if (found !== undefined) return found;
  const names = known.map((one) => one.name);
  const service = name.split(".")[0] ?? "";
  const ofService = names.filter((one) => one.startsWith(`${service}.`));
  const near = nearestName(name, names);
  throw usageError(
    `There is no procedure "${name}".`,
    ...(near === undefined ? [] : [`Did you mean ${near}?`]),
    ofService.length > 0
      ? `${service} has: ${ofService.join(", ")}.`
      : `Services: ${[...new Set(known.map(({ contract }) => contract.name))].join(", ")}.`,
    "List all with their purpose: seedcore call",
  );
}

function list(output: Output, asksHelp: boolean, found: readonly Found[]): ExitCode {
  const procedures = found.map(({ name, procedure }) => ({ name, summary: procedure.summary }));
  output.data({ procedures });
  if (asksHelp) {
    output.line("Usage: seedcore call [--json] SERVICE.PROCEDURE [JSON | - | --field value …]");
    output.line();
    output.line(`  seedcore call coordinator.listTasks '{"state":"failed"}'`);
    output.line("  seedcore call telemetry.scaleHost --host ml --replicas 2");
    output.line("  seedcore call ml.detectAnomaly - < points.json");
    output.line();
  }
  output.table(
    [{ title: "PROCEDURE" }, { title: "" }],
    procedures.map(({ name, summary }) => [name, summary]),
  );
  output.hint("", "Fields of one: seedcore call ml.ingest --help");
  return EXIT.ok;
}

function explain(output: Output, { name, contract, procedure }: Found): ExitCode {
  const schema = toJsonSchema(procedure.input, "input");
  output.data({ name, summary: procedure.summary, input: schema });
  output.line(output.style("bold", name));
  output.line(procedure.summary);
  output.line(
    `${procedure.method} /${contract.name}${procedure.path} · scope ${procedure.scope}${procedure.stream ? " · a stream" : ""}`,
  );
  output.line();
  output.line(`Example: ${asTyped(`seedcore call ${exampleOf(name, schema)}`)}`);
  output.line();
  const fields = Object.entries(schema.properties ?? {});
  if (fields.length === 0) output.line("It takes no input.");
  else {
    output.table(
      [{ title: "FIELD" }, { title: "TYPE", maxWidth: 60 }, { title: "" }],
      fields.map(([field, about]) => [
        `--${field}`,
        typeOf(about),
        [schema.required?.includes(field) ? "needed" : defaultOf(about), about.description ?? ""]
          .filter(Boolean)
          .join("; "),
      ]),
    );
  }
  return EXIT.ok;
}

/** The needed fields, each with the simplest value its schema allows. */
function exampleOf(name: string, schema: JsonSchema): string {
  if ((schema.required ?? []).length === 0) return name;
  return `${name} '${JSON.stringify(sampleOf(schema))}'`;
}

function sampleOf(schema: JsonSchema): unknown {
  const { type, default: preset, minimum, enum: values, items, prefixItems, properties = {}, required = [] } = schema;
  if (schema.const !== undefined) return schema.const;
  if (preset !== undefined) return preset;
  if (values !== undefined) return values[0];
  const first = (schema.anyOf ?? schema.oneOf)?.[0];
  if (first !== undefined) return sampleOf(first);
  switch (type) {
    case "object":
      return Object.fromEntries(required.map((field) => [field, sampleOf(properties[field] ?? {})]));
    case "array":
      return prefixItems?.map(sampleOf) ?? (items === undefined ? [] : [sampleOf(items)]);
    case "number":
    case "integer":
      return Math.max(1, minimum ?? 1);
    case "boolean":
      return true;
    case "string":
      return "example";
    default:
      return 1;
  }
}

function typeOf({ type, enum: values }: JsonSchema): string {
  return values === undefined ? (type ?? "JSON") : values.map(String).join(" | ");
}

function defaultOf(about: JsonSchema): string {
  return about.default === undefined ? "" : `default ${JSON.stringify(about.default)}`;
}

async function readInput(found: Found, rest: readonly string[], stdin: NodeJS.ReadableStream): Promise<unknown> {
  const [first, ...more] = rest;
  if (first === undefined) return {};
  if (first.startsWith("--")) return readFields(found, rest);
  if (more.length > 0) {
    throw usageError(
      `"${more.join(" ")}" is too much: after the procedure comes one JSON object, -, or --field value pairs.`,
    );
  }
  if (first !== "-") return toJsonObject("the input", first);
  const chunks: string[] = [];
  for await (const chunk of stdin) chunks.push(String(chunk));
  return toJsonObject("standard input", chunks.join(""));
}

function readFields({ name, procedure }: Found, rest: readonly string[]): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  const known = Object.keys(procedure.input.shape);
  for (let i = 0; i < rest.length; i++) {
    const [flag, inline] = splitOnce(rest[i] ?? "");
    const field = flag.replace(/^--/, "");
    if (!flag.startsWith("--") || !known.includes(field)) {
      const near = nearestName(field, known);
      throw usageError(
        `${name} has no field "${field}".`,
        near === undefined ? `Its fields: ${known.join(", ") || "none"}.` : `Did you mean --${near}?`,
      );
    }
    const next = rest[i + 1];
    let text = inline;
    if (text === undefined && next !== undefined && !next.startsWith("--")) {
      text = next;
      i++;
    }
    input[field] = text === undefined ? true : fieldValue(procedure.input.shape[field] as z.ZodType, text);
  }
  return input;
}

/** Text where the field takes text, else what it says as JSON; what fits neither is refused with the field's own message. */
function fieldValue(schema: z.ZodType, text: string): unknown {
  if (schema.safeParse(text).success) return text;
  // Numbers as people write them: JSON has no `.5`.
  if (text.trim() !== "" && Number.isFinite(Number(text))) return Number(text);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function splitOnce(arg: string): [string, string | undefined] {
  const at = arg.indexOf("=");
  return at < 0 || !arg.startsWith("--") ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)];
}
