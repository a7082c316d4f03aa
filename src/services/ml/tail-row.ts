/**
 * One ingest of a source as bytes: what a row of the table `tail` holds until its points are sealed into blocks. Layout,
 * little endian: version, cursor, number of series, then per series its number, how many were late, and the columns
 * timestamps (f64), values (f64) and scores (u16 thousandths).
 */
export interface TailSeries {
  readonly number: number;
  readonly late: number;
  readonly timestampsMs: readonly number[];
  readonly values: readonly number[];
  readonly scores: readonly number[];
}

export interface TailRow {
  /** Undefined when the sender gave none: the one before stays. */
  readonly cursor: string | undefined;
  readonly series: readonly TailSeries[];
}

const VERSION = 1;
const NO_CURSOR = 0xffff;
const HEADER_BYTES = 3;
const SERIES_BYTES = 12;
const POINT_BYTES = 18;

export function encodeTailRow(row: TailRow): Uint8Array {
  const cursor = row.cursor === undefined ? undefined : new TextEncoder().encode(row.cursor);
  let size = HEADER_BYTES + (cursor?.length ?? 0) + 4;
  for (const series of row.series) size += SERIES_BYTES + series.values.length * POINT_BYTES;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint16(1, cursor?.length ?? NO_CURSOR, true);
  if (cursor) bytes.set(cursor, HEADER_BYTES);
  let at = HEADER_BYTES + (cursor?.length ?? 0);
  view.setUint32(at, row.series.length, true);
  at += 4;
  for (const series of row.series) {
    const count = series.values.length;
    view.setUint32(at, series.number, true);
    view.setUint32(at + 4, series.late, true);
    view.setUint32(at + 8, count, true);
    at += SERIES_BYTES;
    for (let i = 0; i < count; i++) {
      view.setFloat64(at + i * 8, series.timestampsMs[i] ?? 0, true);
      view.setFloat64(at + (count + i) * 8, series.values[i] ?? 0, true);
      view.setUint16(at + count * 16 + i * 2, Math.round((series.scores[i] ?? 0) * 1_000), true);
    }
    at += count * POINT_BYTES;
  }
  return bytes;
}

/** @throws Error when the bytes are not a tail row of a version this code knows. */
export function decodeTailRow(bytes: Uint8Array): TailRow {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return decode(bytes, view);
  } catch (error) {
    throw new Error(`A tail row of ${bytes.length} bytes cannot be read: the file is damaged.`, { cause: error });
  }
}

function decode(bytes: Uint8Array, view: DataView): TailRow {
  if (view.getUint8(0) !== VERSION) throw new RangeError(`version ${view.getUint8(0)} is unknown`);
  const cursorLength = view.getUint16(1, true);
  const cursorBytes = cursorLength === NO_CURSOR ? 0 : cursorLength;
  const cursor =
    cursorLength === NO_CURSOR
      ? undefined
      : new TextDecoder().decode(bytes.subarray(HEADER_BYTES, HEADER_BYTES + cursorBytes));
  let at = HEADER_BYTES + cursorBytes;
  const seriesCount = view.getUint32(at, true);
  at += 4;
  const series: TailSeries[] = [];
  for (let s = 0; s < seriesCount; s++) {
    const number = view.getUint32(at, true);
    const late = view.getUint32(at + 4, true);
    const count = view.getUint32(at + 8, true);
    at += SERIES_BYTES;
    if (at + count * POINT_BYTES > bytes.length) throw new RangeError("it ends before its points do");
    const timestampsMs: number[] = [];
    const values: number[] = [];
    const scores: number[] = [];
    for (let i = 0; i < count; i++) {
      timestampsMs.push(view.getFloat64(at + i * 8, true));
      values.push(view.getFloat64(at + (count + i) * 8, true));
      scores.push(view.getUint16(at + count * 16 + i * 2, true) / 1_000);
    }
    at += count * POINT_BYTES;
    series.push({ number, late, timestampsMs, values, scores });
  }
  return { cursor, series };
}
