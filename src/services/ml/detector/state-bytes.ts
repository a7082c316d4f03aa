/** Bytes of a checkpoint: little endian, numbers in their full width, so that what is restored is what was saved. */

export class StateWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  byte(value: number): void {
    this.#view(1).setUint8(0, value);
  }

  integers(values: Int32Array): void {
    const view = this.#view(4 * values.length);
    for (let i = 0; i < values.length; i++) view.setInt32(4 * i, values[i] as number, true);
  }

  numbers(values: ArrayLike<number>): void {
    const view = this.#view(8 * values.length);
    for (let i = 0; i < values.length; i++) view.setFloat64(8 * i, values[i] as number, true);
  }

  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #view(size: number): DataView {
    if (this.#length + size > this.#bytes.length) {
      const grown = new Uint8Array(2 * (this.#length + size));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#length += size;
    return new DataView(this.#bytes.buffer, this.#length - size, size);
  }
}

/** Reads what a StateWriter wrote. Throws, and names the state, when the bytes are someone else's. */
export class StateReader {
  readonly #what: string;
  readonly #view: DataView;
  #at = 0;

  constructor(what: string, state: Uint8Array, version: number) {
    this.#what = what;
    this.#view = new DataView(state.buffer, state.byteOffset, state.byteLength);
    if (state.length === 0) throw new Error(`${what} state is empty: it was never saved, or was cut off`);
    const found = this.byte();
    if (found !== version) {
      throw new Error(`${what} state starts with version ${found}; this program reads version ${version} only`);
    }
  }

  byte(): number {
    return this.#view.getUint8(this.#take(1));
  }

  integers(into: Int32Array): void {
    const at = this.#take(4 * into.length);
    for (let i = 0; i < into.length; i++) into[i] = this.#view.getInt32(at + 4 * i, true);
  }

  numbers(into: Float64Array): void {
    const at = this.#take(8 * into.length);
    for (let i = 0; i < into.length; i++) into[i] = this.#view.getFloat64(at + 8 * i, true);
  }

  /** The bytes of a part that checks itself. */
  rest(length: number): Uint8Array {
    const at = this.#take(length);
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length);
  }

  end(): void {
    const left = this.#view.byteLength - this.#at;
    if (left > 0) throw new Error(`${this.#what} state has ${left} bytes too many: it is not one of ours`);
  }

  #take(size: number): number {
    const at = this.#at;
    if (at + size > this.#view.byteLength) {
      throw new Error(
        `${this.#what} state ends after ${this.#view.byteLength} bytes where at least ${at + size} were due: it was cut off, or is not one of ours`,
      );
    }
    this.#at += size;
    return at;
  }
}
