/** The value column of a block of points: decimals where the values are near some, doubles where they are not. */
import { type BodyReader, type BodyWriter, MAX_EXACT, PointBlockError, unzigzag, zigzag } from "./point-block-bytes.ts";

const FORMAT_DOUBLES = 255;
const MAX_DECIMALS = 17;
const MAX_ULPS = 60;
const POWERS_OF_TEN = Float64Array.from({ length: MAX_DECIMALS + 1 }, (_, decimals) => Number(`1e${decimals}`));

/** Writes decimals where that keeps every bit, else doubles. */
export function writeValues(body: BodyWriter, values: ArrayLike<number>): void {
  const decimals = toDecimals(values);
  if (!decimals) {
    body.byte(FORMAT_DOUBLES);
    return body.doublePlanes(values);
  }
  const { scale, scaled, ulps } = decimals;
  body.byte(scale);
  body.double(scaled[0]!);
  // From the end, so that each difference is taken before its left side is overwritten.
  let widest = 0;
  let farthest = 0;
  for (let i = scaled.length - 1; i >= 0; i--) {
    scaled[i] = i === 0 ? 0 : zigzag(scaled[i]! - scaled[i - 1]!);
    widest = Math.max(widest, scaled[i]!);
    farthest = Math.max(farthest, ulps[i]!);
  }
  const width = byteWidth(widest);
  body.byte(width);
  body.byte(byteWidth(farthest));
  body.planes(scaled, width);
  body.planes(ulps, byteWidth(farthest));
}

/** Reads what `writeValues` wrote. @throws PointBlockError */
export function readValues(body: BodyReader): Float64Array {
  const scale = body.byte();
  if (scale === FORMAT_DOUBLES) return body.doublePlanes();
  if (scale > MAX_DECIMALS)
    throw new PointBlockError(`values have format ${scale}, which does not exist: the block was changed.`);
  const power = POWERS_OF_TEN[scale]!;
  let integer = body.double();
  const differenceBytes = body.byte();
  const ulpBytes = body.byte();
  if (differenceBytes > 7 || ulpBytes > 1)
    throw new PointBlockError("columns are wider than any encoder writes: the block was changed.");
  const values = body.planes(differenceBytes);
  const ulps = body.planes(ulpBytes);
  for (let i = 0; i < values.length; i++) {
    integer += unzigzag(values[i]!);
    values[i] = ulps[i] === 0 ? integer / power : stepUlps(integer / power, unzigzag(ulps[i]!));
    if (!Number.isFinite(values[i]))
      throw new PointBlockError(`value of point ${i} is not finite: the block was changed.`);
  }
  return values;
}

interface Decimals {
  readonly scale: number;
  /** Each value times 10^scale, rounded. */
  readonly scaled: Float64Array;
  /** Representable doubles from the decimal to the value, zigzag. */
  readonly ulps: Float64Array;
}

/** The fewest decimals that bring all values within `MAX_ULPS` of a decimal, or nothing. */
function toDecimals(values: ArrayLike<number>): Decimals | undefined {
  const scaled = new Float64Array(values.length);
  const ulps = new Float64Array(values.length);
  // Each scale is tried from the value where the one before it failed: the values it passed are checked again at the end.
  let suspect = 0;
  for (let scale = 0; scale <= MAX_DECIMALS; scale++) {
    const power = POWERS_OF_TEN[scale]!;
    let checked = 0;
    for (let i = suspect; checked < values.length; checked++, i = i + 1 === values.length ? 0 : i + 1) {
      // Plus zero makes -0 a plain 0, which then differs from the value: only doubles carry -0.
      const integer = Math.round(values[i]! * power) + 0;
      const distance = ulpsBetween(integer / power, values[i]!);
      if (!(Math.abs(distance) <= MAX_ULPS && Math.abs(integer) <= MAX_EXACT)) {
        suspect = i;
        break;
      }
      scaled[i] = integer;
      ulps[i] = zigzag(distance);
    }
    if (checked === values.length) return { scale, scaled, ulps };
  }
  return undefined;
}

const pair = new Float64Array(2);
const pairWords = new Int32Array(pair.buffer);
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const LOW = LITTLE_ENDIAN ? 0 : 1;
const HIGH = 1 - LOW;

/** Steps from one double to another of the same sign; NaN when they are not within the same 2^32 representable ones. */
function ulpsBetween(from: number, to: number): number {
  if (Object.is(from, to)) return 0;
  pair[0] = from;
  pair[1] = to;
  if (pairWords[HIGH] !== pairWords[2 + HIGH]) return Number.NaN;
  return (pairWords[2 + LOW]! >>> 0) - (pairWords[LOW]! >>> 0);
}

function stepUlps(from: number, steps: number): number {
  pair[0] = from;
  pairWords[LOW] = pairWords[LOW]! + steps;
  return pair[0];
}

function byteWidth(largest: number): number {
  return largest === 0 ? 0 : Math.floor(Math.log2(largest) / 8) + 1;
}
