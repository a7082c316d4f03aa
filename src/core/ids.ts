import { randomFillSync } from "node:crypto";

/** Makes identifiers; tests bring a counting one. */
export interface Ids {
  /** A new id, sortable by time of creation: `<prefix>_<26 characters>`. */
  next(prefix: string): string;
}

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** Two characters for each ten bits. */
const PAIRS: readonly string[] = Array.from(
  { length: 1_024 },
  (_, bits) => ALPHABET.charAt(bits >> 5) + ALPHABET.charAt(bits & 31),
);

/** Numbers of an id's random half. */
const PER_ID = 8;
/** Random bits in stock: asking the system for each id costs more than all else in it. */
const stock = new Uint16Array(256 * PER_ID);
let used = stock.length;

/** The half that tells the time, for ids of the same millisecond. */
let headMs = -1;
let head = "";

function toHead(ms: number): string {
  let time = ms;
  let text = "";
  for (let i = 0; i < 5; i++) {
    text = (PAIRS[time % 1_024] ?? "") + text;
    time = Math.floor(time / 1_024);
  }
  return text;
}

/** ULID-like: 50 bits of milliseconds, then 80 random bits, in Crockford's base 32. */
export const systemIds: Ids = {
  next(prefix) {
    const nowMs = Date.now();
    if (nowMs !== headMs) {
      headMs = nowMs;
      head = toHead(nowMs);
    }
    if (used === stock.length) {
      randomFillSync(stock);
      used = 0;
    }
    let id = `${prefix}_${head}`;
    for (const end = used + PER_ID; used < end; used++) id += PAIRS[(stock[used] ?? 0) & 1_023];
    return id;
  },
};
