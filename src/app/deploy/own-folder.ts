/** A folder with a service of a person's own: its program, what goes with it, and how its host should run. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import { ServiceError } from "#core/service-error.ts";
import { HostSpec } from "#runtime/engine/host-spec.ts";

const { name, replicas, cpus, memoryMb, gpus, resources, maxConcurrency, maxQueue, maxDeadlineMs, drainMs } =
  HostSpec.shape;
const { maxBodyBytes, maxJsonDepth, env, pip } = HostSpec.shape;

/** `seedcore.json` of a service, or the field "seedcore" of its package.json. docs/services.md has the fields. */
export const OwnSettings = z.strictObject({
  /** Name of the host. @default the contract's */
  name: name.optional(),
  /** The module that exports the service. */
  entry: z.string().default("service.ts"),
  /** Files and folders that its code reads, beside the program where they are beside its source. */
  files: z.array(z.string()).default([]),
  /** @default as many as there are */
  replicas: replicas.unwrap().optional(),
  cpus,
  memoryMb,
  gpus,
  resources,
  maxConcurrency,
  maxQueue,
  maxDeadlineMs,
  drainMs,
  maxBodyBytes,
  maxJsonDepth,
  env,
  pip,
});
export type OwnSettings = z.output<typeof OwnSettings>;

export interface OwnFolder {
  readonly path: string;
  readonly settings: OwnSettings;
}

/** @throws ServiceError INVALID_INPUT for a folder that is none, or settings that cannot be used */
export function readOwnFolder(path: string): OwnFolder {
  const folder = resolve(path);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw unusable(`${path} is no folder. Name the folder of a service, such as one with a seedcore.json.`);
  }
  const { where, value } = readSettings(folder);
  const parsed = OwnSettings.safeParse(value);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "it"}: ${issue.message}`);
    throw unusable(`${where} cannot be used. ${problems.join("; ")}.`);
  }
  const settings = parsed.data;
  for (const file of [settings.entry, ...settings.files]) {
    if (!resolve(folder, file).startsWith(`${folder}/`))
      throw unusable(`${where} names ${file}, outside of ${folder}.`);
    if (existsSync(join(folder, file))) continue;
    const why = file === settings.entry ? 'Name the module of the service: "entry" in seedcore.json.' : "";
    throw unusable(`There is no ${join(folder, file)}. ${why}`.trim());
  }
  return { path: folder, settings };
}

function readSettings(folder: string): { readonly where: string; readonly value: unknown } {
  const own = join(folder, "seedcore.json");
  if (existsSync(own)) return { where: own, value: readJson(own) };
  const where = join(folder, "package.json");
  const { seedcore = {} } = existsSync(where) ? (readJson(where) as { readonly seedcore?: unknown }) : {};
  return { where: `"seedcore" in ${where}`, value: seedcore };
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw unusable(`${file} is not JSON: ${(cause as Error).message}.`);
  }
}

function unusable(message: string): ServiceError {
  return new ServiceError("INVALID_INPUT", message, { started: "no" });
}
