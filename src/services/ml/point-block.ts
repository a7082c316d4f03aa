/**
 * A block of points of one series as bytes, exact and small.
 *
 * Layout, little-endian: version u8, flags u8, count u16, first timestamp f64, last timestamp f64, CRC-32 u32 of everything else,
 * then the body, compressed with zstd where that is shorter:
 * 1. timestamps: the greatest common divisor of the gaps, then the change of the gap counted in it, as zigzag varints;
 * 2. values, as decimals when all are near one: the decimal point, a base, the differences of the scaled integers, and how many
 *    representable doubles each value lies from its decimal (measured data is full of 18.324918539200002); else as doubles;
 * 3. scores in thousandths.
 * Columns of integers are stored byte plane by byte plane: the upper bytes repeat, so they compress.
 *
 * After the ideas of Gorilla (Pelkonen et al., VLDB 2015) for time and ALP (Afroozeh et al., SIGMOD 2023) for decimals.
 */
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import {
  BodyReader,
  BodyWriter,
  MAX_EXACT,
  maxBodyBytes,
  PointBlockError,
  unzigzag,
  viewOf,
  zigzag,
} from "./point-block-bytes.ts";
import { readValues, writeValues } from "./point-block-values.ts";

export { PointBlockError };

/** Columns of equal length, 1 to 65,535 points. */
export interface PointColumns {
  /** Integers, strictly increasing, within 2^50 of the epoch (the year 37,648). */
  readonly timestampsMs: ArrayLike<number>;
  /** Finite; kept to the bit, -0 included. */
  readonly values: ArrayLike<number>;
  /** Multiples of 1/1000 in [0, 1]. */
  readonly scores: ArrayLike<number>;
}

/** The same columns, each a new array of the caller's. */
export interface DecodedColumns {
  readonly timestampsMs: number[];
  readonly values: number[];
  readonly scores: number[];
}

export interface PointBlockHeader {
  readonly version: number;
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

export const POINT_BLOCK_VERSION = 1;
export const MAX_POINTS_PER_BLOCK = 65_535;
/** What `readPointBlockHeader` needs of a block. */
export const POINT_BLOCK_HEADER_BYTES = 24;

const CRC_OFFSET = 20;
const FLAG_COMPRESSED = 1;
const ZSTD_PARAMS = { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_contentSizeFlag]: 0 };

/** Encodes columns into a block. @throws RangeError naming the first point that cannot be stored. */
export function encodeBlock(columns: PointColumns): Uint8Array {
  const count = checkColumns(columns);
  const { timestampsMs, values, scores } = columns;
  const body = new BodyWriter(count);
  writeTimestamps(body, timestampsMs);
  writeValues(body, values);
  body.planes(toThousandths(scores), 2);

  const plain = body.bytes();
  const compressed = zstdCompressSync(plain, { params: ZSTD_PARAMS });
  const stored = compressed.length < plain.length ? compressed : plain;
  const block = new Uint8Array(POINT_BLOCK_HEADER_BYTES + stored.length);
  const header = new DataView(block.buffer);
  header.setUint8(0, POINT_BLOCK_VERSION);
  header.setUint8(1, stored === compressed ? FLAG_COMPRESSED : 0);
  header.setUint16(2, count, true);
  header.setFloat64(4, timestampsMs[0]!, true);
  header.setFloat64(12, timestampsMs[count - 1]!, true);
  block.set(stored, POINT_BLOCK_HEADER_BYTES);
  header.setUint32(CRC_OFFSET, checksum(block), true);
  return block;
}

/** Decodes a block exactly. @throws PointBlockError when the bytes are not a whole, unchanged block. */
export function decodeBlock(block: Uint8Array): DecodedColumns {
  const { count, firstMs, lastMs } = readPointBlockHeader(block);
  const stored = viewOf(block).getUint32(CRC_OFFSET, true);
  const actual = checksum(block);
  if (stored !== actual) {
    throw new PointBlockError(
      `block of ${block.length} bytes has checksum ${actual}, its header says ${stored}: it was changed or cut off.`,
    );
  }
  const body = new BodyReader(expand(block.subarray(POINT_BLOCK_HEADER_BYTES), block[1]!, count), count);
  const timestampsMs = Array.from(readTimestamps(body, firstMs, lastMs));
  const values = Array.from(readValues(body));
  const scores = Array.from(body.planes(2), fromThousandths);
  body.end();
  return { timestampsMs, values, scores };
}

/** Reads what a range scan needs from the first 24 bytes, without checksum or decompression. @throws PointBlockError */
export function readPointBlockHeader(block: Uint8Array): PointBlockHeader {
  if (block.length < POINT_BLOCK_HEADER_BYTES) {
    throw new PointBlockError(
      `block has ${block.length} bytes, its header alone has ${POINT_BLOCK_HEADER_BYTES}: it was cut off.`,
    );
  }
  const view = viewOf(block);
  const version = view.getUint8(0);
  if (version !== POINT_BLOCK_VERSION) {
    throw new PointBlockError(
      `block has version ${version}, this program reads ${POINT_BLOCK_VERSION}: it is damaged or newer than the program.`,
    );
  }
  const count = view.getUint16(2, true);
  const firstMs = view.getFloat64(4, true);
  const lastMs = view.getFloat64(12, true);
  const plausible = isTimestamp(firstMs) && isTimestamp(lastMs) && lastMs - firstMs >= count - 1;
  if (count === 0 || !plausible) {
    throw new PointBlockError(
      `block says ${count} points from ${firstMs} to ${lastMs}, which cannot be: it was changed.`,
    );
  }
  return { version, count, firstMs, lastMs };
}

function checksum(block: Uint8Array): number {
  return crc32(block.subarray(POINT_BLOCK_HEADER_BYTES), crc32(block.subarray(0, CRC_OFFSET)));
}

function expand(body: Uint8Array, flags: number, count: number): Uint8Array {
  if (flags > FLAG_COMPRESSED)
    throw new PointBlockError(`block has flags ${flags}, which do not exist: it was changed.`);
  if (flags !== FLAG_COMPRESSED) return body;
  try {
    // The cap is the longest body this count can have: a forged block must not fill the memory.
    return zstdDecompressSync(body, { maxOutputLength: maxBodyBytes(count) });
  } catch (cause) {
    throw new PointBlockError("the compressed part of the block cannot be read: it was changed.", { cause });
  }
}

function checkColumns({ timestampsMs, values, scores }: PointColumns): number {
  const count = timestampsMs.length;
  if (count < 1 || count > MAX_POINTS_PER_BLOCK) {
    throw new RangeError(
      `a block holds 1 to ${MAX_POINTS_PER_BLOCK} points, ${count} were given. Split them, or write nothing for none.`,
    );
  }
  if (values.length !== count || scores.length !== count) {
    throw new RangeError(
      `columns differ in length: ${count} timestamps, ${values.length} values, ${scores.length} scores. Give each point all of them.`,
    );
  }
  for (let i = 0; i < count; i++) {
    if (!isTimestamp(timestampsMs[i]!)) {
      throw new RangeError(
        `timestamp ${timestampsMs[i]} of point ${i} is not a whole number of milliseconds within 2^50 of the epoch.`,
      );
    }
    if (i > 0 && !(timestampsMs[i]! > timestampsMs[i - 1]!)) {
      throw new RangeError(
        `timestamp ${timestampsMs[i]} of point ${i} is not after ${timestampsMs[i - 1]}. Sort the points and drop repeats.`,
      );
    }
    if (!Number.isFinite(values[i])) {
      throw new RangeError(
        `value ${values[i]} of point ${i} is not finite. Leave the point out: a gap is not a value.`,
      );
    }
  }
  return count;
}

function isTimestamp(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) <= MAX_EXACT;
}

function writeTimestamps(body: BodyWriter, timestampsMs: ArrayLike<number>): void {
  let unit = 0;
  for (let i = 1; i < timestampsMs.length && unit !== 1; i++) {
    unit = greatestCommonDivisor(timestampsMs[i]! - timestampsMs[i - 1]!, unit);
  }
  body.varint(unit);
  let gap = 0;
  for (let i = 1; i < timestampsMs.length; i++) {
    const next = (timestampsMs[i]! - timestampsMs[i - 1]!) / unit;
    body.varint(zigzag(next - gap));
    gap = next;
  }
}

function readTimestamps(body: BodyReader, firstMs: number, lastMs: number): Float64Array {
  const timestampsMs = new Float64Array(body.count);
  timestampsMs[0] = firstMs;
  const unit = body.varint();
  let gap = 0;
  for (let i = 1; i < timestampsMs.length; i++) {
    gap += unzigzag(body.varint());
    timestampsMs[i] = timestampsMs[i - 1]! + gap * unit;
    if (!(timestampsMs[i]! > timestampsMs[i - 1]!)) {
      throw new PointBlockError(`timestamp of point ${i} is not after the one before: the block was changed.`);
    }
  }
  if (timestampsMs[body.count - 1] !== lastMs) {
    throw new PointBlockError(
      `the timestamps end at ${timestampsMs[body.count - 1]}, the header says ${lastMs}: the block was changed.`,
    );
  }
  return timestampsMs;
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b > 0) [a, b] = [b, a % b];
  return a;
}

function toThousandths(scores: ArrayLike<number>): Float64Array {
  return Float64Array.from(scores, (score, i) => {
    const thousandths = Math.round(score * 1_000);
    if (!(thousandths >= 0 && thousandths <= 1_000 && thousandths / 1_000 === score)) {
      throw new RangeError(
        `score ${score} of point ${i} is not a multiple of 1/1000 in [0, 1]. Use Math.round(1000 * score) / 1000.`,
      );
    }
    return thousandths;
  });
}

function fromThousandths(thousandths: number, i: number): number {
  if (thousandths > 1_000)
    throw new PointBlockError(`score of point ${i} is ${thousandths} thousandths: the block was changed.`);
  return thousandths / 1_000;
}
