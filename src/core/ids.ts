import { randomFillSync } from "node:crypto";

/** Makes identifiers; tests bring a counting one. */
export interface Ids {
  /** A new id, sortable by time of creation: `<prefix>_<26 characters>`. */
  next(prefix: string): string;
}

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

const RANDOM_BYTES = 16;
/** Random bytes in stock: asking the system for each id costs more than all else in it. */
const stock = new Uint8Array(256 * RANDOM_BYTES);
let used = stock.length;

function takeRandom(): Uint8Array {
  if (used === stock.length) {
    randomFillSync(stock);
    used = 0;
  }
  used += RANDOM_BYTES;
  return stock.subarray(used - RANDOM_BYTES, used);
}

/** ULID-like: 48 bits of milliseconds, then 80 random bits, in Crockford's base 32. */
export const systemIds: Ids = {
  next(prefix) {
    let time = Date.now();
    let head = "";
    for (let i = 0; i < 10; i++) {
      head = ALPHABET.charAt(time % 32) + head;
      time = Math.floor(time / 32);
    }
    let tail = "";
    for (const byte of takeRandom()) tail += ALPHABET.charAt(byte & 31);
    return `${prefix}_${head}${tail}`;
  },
};
