/** A file as a stream of text. */
import { type FileHandle, open } from "node:fs/promises";
import { SourceError } from "./source-error.ts";

const CHUNK_BYTES = 256 * 1024;

const HINTS: Record<string, string> = {
  ENOENT: "Check the path; it is relative to the folder you are in.",
  EACCES: "Give the user that runs this the right to read it.",
  EISDIR: "Name one file in it.",
};

/**
 * Opens a file for reading in chunks of 256 KiB; whoever iterates need not close it. `onRead` is told the characters of
 * each chunk, which are bytes in nearly all files.
 * @throws SourceError when it is missing, unreadable, a directory or empty.
 */
export async function openTextFile(
  path: string,
  onRead?: (characters: number) => void,
): Promise<AsyncIterable<string>> {
  const file = await open(path).catch((cause: NodeJS.ErrnoException) => fail(path, cause));
  try {
    const stat = await file.stat();
    if (stat.isDirectory()) throw new SourceError(`"${path}" is a directory.`, { hint: HINTS.EISDIR! });
    // A pipe or a device has size 0 and still has something to say.
    if (stat.isFile() && stat.size === 0) {
      throw new SourceError(`"${path}" is empty.`, { hint: "Check that whatever writes it has finished." });
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  return read(file, path, onRead);
}

async function* read(
  file: FileHandle,
  path: string,
  onRead: ((characters: number) => void) | undefined,
): AsyncGenerator<string> {
  try {
    for await (const chunk of file.createReadStream({ encoding: "utf8", highWaterMark: CHUNK_BYTES })) {
      onRead?.(chunk.length);
      yield chunk;
    }
  } catch (cause) {
    fail(path, cause as NodeJS.ErrnoException);
  }
}

function fail(path: string, cause: NodeJS.ErrnoException): never {
  const reasons: Record<string, string> = {
    ENOENT: "does not exist",
    EACCES: "may not be read",
    EISDIR: "is a directory",
  };
  const code = cause.code ?? "";
  throw new SourceError(`"${path}" ${reasons[code] ?? `cannot be read: ${cause.message}`}.`, {
    hint: HINTS[code] ?? "Check that the file and its disk are in order.",
    cause,
  });
}
