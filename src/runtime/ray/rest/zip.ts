import { crc32, deflateRawSync } from "node:zlib";
import { ServiceError } from "#core/service-error.ts";

export interface PackageFile {
  /** Relative, with `/`. */
  readonly path: string;
  readonly content: Uint8Array;
  /** Unix permissions, such as 0o755; they are kept, so a native binary stays executable. @default 0o644 */
  readonly mode?: number;
}

const MAX_FILES = 0xffff;
const UNIX = 3;
const ZIP_2_0 = 20;
const UTF8_NAMES = 0x0800;
const DEFLATED = 8;
const REGULAR_FILE = 0o100000;
/** 1 January 1980, midnight: the oldest date the format has. A true one would make equal files unequal packages. */
const DATE = 0x0021;

/**
 * A zip archive of the files, sorted by path, with Unix modes and no dates: the same files give the same bytes.
 * APPNOTE.TXT 6.3.10, without zip64.
 * @throws ServiceError INVALID_INPUT for a path that would leave the folder it is unpacked to, or comes twice
 */
export function toZip(files: readonly PackageFile[]): Buffer {
  const sorted = sortFiles(files);
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { path, content, mode = 0o644 } of sorted) {
    const name = Buffer.from(path);
    const packed = deflateRawSync(content);
    // What both headers say: versions, flags, method, time, date, checksum, sizes, lengths of name and extra field.
    const common = Buffer.alloc(26);
    common.writeUInt16LE(ZIP_2_0, 0);
    common.writeUInt16LE(UTF8_NAMES, 2);
    common.writeUInt16LE(DEFLATED, 4);
    common.writeUInt16LE(DATE, 8);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(name.length, 22);
    parts.push(Buffer.from("PK\x03\x04"), common, name, packed);

    const entry = Buffer.alloc(20);
    entry.writeUInt32LE(((REGULAR_FILE | mode) << 16) >>> 0, 10);
    entry.writeUInt32LE(offset, 14);
    // comment length 2, disk 2, internal attributes 2, external attributes 4, offset 4: the last six of these fields.
    directory.push(Buffer.from("PK\x01\x02"), Buffer.from([ZIP_2_0, UNIX]), common, entry.subarray(4, 18), name);
    offset += 4 + common.length + name.length + packed.length;
  }
  const size = directory.reduce((total, { length }) => total + length, 0);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(sorted.length, 8);
  end.writeUInt16LE(sorted.length, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

/** Checked and in one order, by code units. */
export function sortFiles(files: readonly PackageFile[]): readonly PackageFile[] {
  const sorted = files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  for (const [index, { path }] of sorted.entries()) {
    const isInside =
      !/^\/|\\|\0/.test(path) && path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
    if (!isInside)
      throw new ServiceError(
        "INVALID_INPUT",
        `A package cannot have a file "${path}": give a relative path with / and no dots.`,
      );
    if (sorted[index + 1]?.path === path)
      throw new ServiceError("INVALID_INPUT", `The file "${path}" is in the package twice.`);
  }
  if (sorted.length > MAX_FILES)
    throw new ServiceError("INVALID_INPUT", `A package has at most ${MAX_FILES} files; this one has ${sorted.length}.`);
  return sorted;
}
