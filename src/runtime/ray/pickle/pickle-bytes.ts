import { integerBytes } from "./integers.ts";
import { OP } from "./opcodes.ts";
import { encodeUtf8 } from "./utf8.ts";

/** Bytes of a pickle while it grows: opcodes and the plain values, each in its shortest form of protocol 4. */
export class PickleBytes {
  #buffer = Buffer.allocUnsafe(256);
  #length = 0;

  op(opcode: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = opcode;
  }

  /** An opcode with an unsigned argument of one byte. */
  op1(opcode: number, argument: number): void {
    this.op(opcode);
    this.op(argument);
  }

  /** An opcode with an unsigned argument of four bytes. */
  op4(opcode: number, argument: number): void {
    this.op(opcode);
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32LE(argument, this.#length);
  }

  float(value: number): void {
    this.op(OP.BINFLOAT);
    this.#reserve(8);
    this.#length = this.#buffer.writeDoubleBE(value, this.#length);
  }

  integer(value: number | bigint): void {
    const small =
      typeof value === "number" || (value >= -0x8000_0000n && value <= 0x7fff_ffffn) ? Number(value) : undefined;
    if (small === undefined || small < -0x8000_0000 || small > 0x7fff_ffff) return this.#long(BigInt(value));
    if (small >= 0 && small <= 0xff) return this.op1(OP.BININT1, small);
    if (small >= 0 && small <= 0xffff) {
      this.op1(OP.BININT2, small & 0xff);
      return this.op(small >> 8);
    }
    this.op4(OP.BININT, small >>> 0);
  }

  text(value: string): void {
    const bytes = encodeUtf8(value);
    if (bytes.length <= 0xff) this.op1(OP.SHORT_BINUNICODE, bytes.length);
    else this.#long32(OP.BINUNICODE, OP.BINUNICODE8, bytes.length);
    this.#append(bytes);
  }

  bytes(value: Uint8Array): void {
    if (value.length <= 0xff) this.op1(OP.SHORT_BINBYTES, value.length);
    else this.#long32(OP.BINBYTES, OP.BINBYTES8, value.length);
    this.#append(value);
  }

  /** What was written, as bytes of their own. */
  finish(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#buffer.subarray(0, this.#length));
  }

  #long(value: bigint): void {
    const bytes = integerBytes(value);
    if (bytes.length <= 0xff) this.op1(OP.LONG1, bytes.length);
    else this.op4(OP.LONG4, bytes.length);
    this.#append(bytes);
  }

  #long32(opcode: number, opcode8: number, length: number): void {
    if (length <= 0xffff_ffff) return this.op4(opcode, length);
    this.op(opcode8);
    this.#reserve(8);
    this.#length = this.#buffer.writeBigUInt64LE(BigInt(length), this.#length);
  }

  #append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(sizeBytes: number): void {
    const wanted = this.#length + sizeBytes;
    if (wanted <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(wanted, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
