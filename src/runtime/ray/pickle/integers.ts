/** Pickle's long integers: two's complement, least significant byte first, as few bytes as the sign allows. */

/** The integer as a `number` where that is exact. */
export function toInteger(bytes: Uint8Array): number | bigint {
  if (bytes.length === 0) return 0;
  const unsigned = BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
  const value = BigInt.asIntN(bytes.length * 8, unsigned);
  return value >= MIN_SAFE && value <= MAX_SAFE ? Number(value) : value;
}

export function integerBytes(value: bigint): Uint8Array {
  if (value === 0n) return new Uint8Array(0);
  const magnitude = value < 0n ? -value - 1n : value;
  const digits = magnitude.toString(16);
  // One bit more than the magnitude has, for the sign.
  const sizeBytes = Math.floor(bitLength(digits) / 8) + 1;
  const hex = BigInt.asUintN(sizeBytes * 8, value)
    .toString(16)
    .padStart(sizeBytes * 2, "0");
  return Buffer.from(hex, "hex").reverse();
}

function bitLength(hex: string): number {
  const first = Number.parseInt(hex[0] ?? "0", 16);
  return (hex.length - 1) * 4 + (32 - Math.clz32(first));
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const MIN_SAFE = BigInt(Number.MIN_SAFE_INTEGER);
