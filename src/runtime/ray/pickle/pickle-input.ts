import { PickleError } from "./pickle-error.ts";
import { decodeUtf8 } from "./utf8.ts";

/** Reads a pickle's arguments; never beyond its end. */
export class PickleInput {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    // A Buffer's slice would share memory with it.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  uint8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#skip(2), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#skip(4), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  /** A length of eight bytes; one that no memory holds is refused like any that is beyond the end. */
  length64(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), true));
  }

  float64(): number {
    return this.#view.getFloat64(this.#skip(8), false);
  }

  /** A copy. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const begin = this.#skip(length);
    return this.#bytes.slice(begin, begin + length);
  }

  text(length: number): string {
    const begin = this.#skip(length);
    const text = decodeUtf8(this.#bytes.subarray(begin, begin + length));
    if (text === undefined) throw new PickleError("malformed", "Text is not UTF-8.", begin);
    return text;
  }

  /** Text up to the end of the line, which is skipped. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw new PickleError("malformed", "A line of text has no end.", this.#at);
    const text = this.text(end - this.#at);
    this.#at++;
    return text;
  }

  #skip(length: number): number {
    const begin = this.#at;
    if (!(length >= 0 && length <= this.left)) {
      throw new PickleError("malformed", `${length} bytes are wanted where ${this.left} are left.`, begin);
    }
    this.#at += length;
    return begin;
  }
}
