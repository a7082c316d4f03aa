import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Readable } from "node:stream";
import { ServiceError } from "#core/service-error.ts";
import { ContractDescription } from "#runtime/contract-description.ts";
import { DESCRIBE } from "#runtime/host/own-service.ts";
import type { PackageFile } from "#runtime/ray/rest/zip.ts";
import { childEnvironment } from "../config.ts";
import { OWN_ENTRY } from "./bundle.ts";
import { storePackage } from "./package-store.ts";

const LOAD_MS = 20_000;

/**
 * The contract of a bundle, asked from the bundle itself in a process of its own: so that what does not even load is
 * told before anything is deployed.
 * @throws ServiceError INVALID_INPUT with the first useful line of what it printed
 */
export async function describeBundle(files: readonly PackageFile[]): Promise<ContractDescription> {
  const folder = mkdtempSync(join(tmpdir(), "seedcore-bundle-"));
  try {
    storePackage(folder, "bundle", files);
    const child = spawn(process.execPath, [join(folder, "bundle", OWN_ENTRY), DESCRIBE], {
      stdio: ["ignore", "ignore", "pipe", "pipe"],
      env: childEnvironment(),
      timeout: LOAD_MS,
      killSignal: "SIGKILL",
    });
    const ended = new Promise<string | number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve(signal ?? code));
    });
    const [description, printed, end] = await Promise.all([
      text(child.stdio[3] as Readable),
      text(child.stderr as Readable),
      ended,
    ]);
    if (end === 0) return ContractDescription.parse(JSON.parse(description));
    const why =
      firstUsefulLine(printed) ??
      (end === "SIGKILL" ? `it takes longer than ${LOAD_MS / 1_000} s` : `it ended with ${end}`);
    throw new ServiceError("INVALID_INPUT", `The service does not load: ${why}`, { started: "no" });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Of what Node prints of an error that nobody caught: the line that says which, and where of theirs. */
export function firstUsefulLine(printed: string): string | undefined {
  const lines = printed.split("\n").map((line) => line.trim());
  return lines.find((line) => /^(\w*Error|\[\w+\])\b.*:/.test(line)) ?? lines.find((line) => line !== "");
}
