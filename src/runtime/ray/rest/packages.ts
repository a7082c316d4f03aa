/** Code on the cluster: content-addressed zip files in the head's key-value store. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { isServiceError, ServiceError } from "#core/service-error.ts";
import { MAX_BODY_BYTES, type RayRest } from "./transport.ts";
import { type PackageFile, sortFiles, toZip } from "./zip.ts";

const UPLOAD_TIMEOUT_MS = 120_000;

export interface UploadedPackage {
  /** For `runtime_env.working_dir`: `gcs://_ray_pkg_….zip`. */
  readonly uri: string;
  /** Bytes that were sent; 0 when it was there already. */
  readonly sentBytes: number;
}

/**
 * Makes sure the cluster has these files for the next ten minutes (Ray's default), sending them only when it has not:
 * Ray removes a package when its last user goes, so ask anew before every deployment.
 * @throws ServiceError TOO_LARGE, before anything is sent, when the archive is larger than the dashboard takes
 */
export async function uploadPackage(
  rest: RayRest,
  files: readonly PackageFile[],
  signal?: AbortSignal,
): Promise<UploadedPackage> {
  const name = toPackageName(files);
  const uri = `gcs://${name}`;
  if (await pinPackage(rest, name, signal)) return { uri, sentBytes: 0 };
  const zip = toPackageZip(files);
  await rest.call({
    method: "PUT",
    path: toPath(name),
    body: zip,
    schema: z.unknown(),
    signal,
    timeoutMs: UPLOAD_TIMEOUT_MS,
  });
  if (await pinPackage(rest, name, signal)) return { uri, sentBytes: zip.length };
  throw new ServiceError(
    "UNAVAILABLE",
    `The cluster took the package ${name} and does not have it. Is its store full?`,
  );
}

/** @throws ServiceError TOO_LARGE when Ray's dashboard would not take it */
export function toPackageZip(files: readonly PackageFile[]): Buffer {
  const zip = toZip(files);
  if (zip.length > MAX_BODY_BYTES) throw tooLarge(zip.length, files);
  return zip;
}

/** Whether the cluster has the package; if so it keeps it for ten minutes more. */
export async function pinPackage(rest: RayRest, name: string, signal?: AbortSignal): Promise<boolean> {
  try {
    await rest.call({ method: "GET", path: toPath(name), schema: z.unknown(), signal });
    return true;
  } catch (error) {
    if (isServiceError(error) && error.code === "NOT_FOUND") return false;
    throw error;
  }
}

/** From paths, modes and contents, not from the archive: another zlib may compress differently. */
export function toPackageName(files: readonly PackageFile[]): string {
  return `_ray_pkg_${toDigest(files)}.zip`;
}

/** The digest at the end of a package's address or folder; empty where there is none. */
export function digestOf(uri: string): string {
  return /([0-9a-f]{40})(?:\.zip)?$/.exec(uri)?.[1] ?? "";
}

/** 40 hexadecimal digits that are the same for the same files. */
export function toDigest(files: readonly PackageFile[]): string {
  const hash = createHash("sha256");
  for (const { path, content, mode = 0o644 } of sortFiles(files)) {
    hash.update(JSON.stringify([path, mode, content.length])).update(content);
  }
  return hash.digest("hex").slice(0, 40);
}

function toPath(name: string): string {
  return `/api/packages/gcs/${name}`;
}

function tooLarge(sizeBytes: number, files: readonly PackageFile[]): ServiceError {
  const mib = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  const largest = files.toSorted((a, b) => b.content.length - a.content.length).slice(0, 3);
  return new ServiceError(
    "TOO_LARGE",
    `The package is ${mib(sizeBytes)} and Ray's dashboard takes ${mib(MAX_BODY_BYTES)}. Its largest files are ${largest
      .map(({ path, content }) => `${path} (${mib(content.length)})`)
      .join(", ")}. Leave out what the services do not need, or put it into the nodes' image.`,
  );
}
