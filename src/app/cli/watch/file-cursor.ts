/** Where a file was left: how many of its points are stored, and which file that was. */
import { createHash } from "node:crypto";
import { open, stat } from "node:fs/promises";

const FINGERPRINT_BYTES = 4_096;

/**
 * Tells files apart by their beginning: a file that has grown keeps its fingerprint, one that was replaced does not, and
 * is then read from its start, which costs time but no points. Shorter files have none.
 */
export async function fingerprint(path: string): Promise<string | undefined> {
  // Looked at before it is opened: to open a pipe twice is to wait for ever.
  const about = await stat(path);
  if (!about.isFile() || about.size < FINGERPRINT_BYTES) return undefined;
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(FINGERPRINT_BYTES), 0, FINGERPRINT_BYTES, 0);
    if (bytesRead < FINGERPRINT_BYTES) return undefined;
    return createHash("sha256").update(buffer).digest("hex").slice(0, 16);
  } finally {
    await file.close();
  }
}

export function toCursor(file: string | undefined, points: number): string | undefined {
  return file === undefined ? undefined : JSON.stringify({ file, points });
}

/** Points of this very file that are stored already. */
export function storedPoints(cursor: string | null, file: string | undefined): number {
  if (cursor === null || file === undefined) return 0;
  try {
    const stored = JSON.parse(cursor) as { file?: unknown; points?: unknown } | null;
    return stored?.file === file && typeof stored.points === "number" ? stored.points : 0;
  } catch {
    return 0;
  }
}
