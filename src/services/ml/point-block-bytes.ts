/** Numbers as bytes, as the body of a block of points has them. */

/** Bytes that are not a block of points: cut off, changed, or of another version. */
export class PointBlockError extends Error {
  override readonly name = "PointBlockError";
}

/** Differences of integers up to here, doubled for the sign, are still exact in a double. */
export const MAX_EXACT = 2 ** 50;

/** Signed to unsigned, small to small. */
export function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

export function unzigzag(value: number): number {
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
}

/** Longest body: unit and gaps of eight bytes, value header, value and score planes. */
export function maxBodyBytes(count: number): number {
  return 32 + count * (8 + 9 + 2);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Appends to a body of at most `maxBodyBytes(count)`. */
export class BodyWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #length = 0;

  constructor(count: number) {
    this.#bytes = new Uint8Array(maxBodyBytes(count));
    this.#view = new DataView(this.#bytes.buffer);
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  byte(value: number): void {
    this.#bytes[this.#length++] = value;
  }

  double(value: number): void {
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  varint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.#bytes[this.#length++] = 128 | (rest % 128);
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** Integers below 2^53, lowest byte of all first. */
  planes(column: Float64Array, width: number): void {
    const count = column.length;
    const [bytes, start] = [this.#bytes, this.#length];
    for (let i = 0; i < count; i++) {
      const low = column[i]! % 4_294_967_296;
      const high = (column[i]! - low) / 4_294_967_296;
      for (let plane = 0; plane < width; plane++) {
        bytes[start + plane * count + i] = plane < 4 ? low >>> (8 * plane) : high >>> (8 * (plane - 4));
      }
    }
    this.#length += width * count;
  }

  doublePlanes(column: ArrayLike<number>): void {
    const count = column.length;
    const doubles = new DataView(new ArrayBuffer(8));
    for (let i = 0; i < count; i++) {
      doubles.setFloat64(0, column[i]!, true);
      for (let plane = 0; plane < 8; plane++) this.#bytes[this.#length + plane * count + i] = doubles.getUint8(plane);
    }
    this.#length += 8 * count;
  }
}

/** Reads what `BodyWriter` wrote; every read is checked against the end. */
export class BodyReader {
  readonly count: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array, count: number) {
    this.count = count;
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }

  byte(): number {
    return this.#bytes[this.#take(1)]!;
  }

  double(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 56; factor *= 128) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw new PointBlockError("a number is longer than eight bytes: the block was changed.");
  }

  planes(width: number): Float64Array {
    const { count } = this;
    const start = this.#take(width * count);
    const column = new Float64Array(count);
    let factor = 1;
    for (let plane = 0; plane < width; plane++, factor *= 256) {
      const from = start + plane * count;
      for (let i = 0; i < count; i++) column[i]! += this.#bytes[from + i]! * factor;
    }
    return column;
  }

  doublePlanes(): Float64Array {
    const { count } = this;
    const start = this.#take(8 * count);
    const doubles = new DataView(new ArrayBuffer(8));
    return Float64Array.from({ length: count }, (_, i) => {
      for (let plane = 0; plane < 8; plane++) doubles.setUint8(plane, this.#bytes[start + plane * count + i]!);
      const value = doubles.getFloat64(0, true);
      if (!Number.isFinite(value))
        throw new PointBlockError(`value of point ${i} is not finite: the block was changed.`);
      return value;
    });
  }

  end(): void {
    const left = this.#bytes.length - this.#offset;
    if (left !== 0) throw new PointBlockError(`the block has ${left} bytes after its last column: it was changed.`);
  }

  #take(length: number): number {
    const start = this.#offset;
    if (start + length > this.#bytes.length)
      throw new PointBlockError("the block ends inside a column: it was cut off.");
    this.#offset += length;
    return start;
  }
}
