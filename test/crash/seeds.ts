/** Numbers that follow from a seed and a place, so that a round does not depend on the rounds before it. */
import { type Random, seededRandom } from "#core/random.ts";

/** 32 well mixed bits of whole numbers. */
export function mix(...numbers: readonly number[]): number {
  let hash = 0x811c9dc5;
  for (const number of numbers) {
    hash = Math.imul(hash ^ (number >>> 0), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return hash >>> 0;
}

/** Uniform in [0, 1). */
export function uniformAt(...numbers: readonly number[]): number {
  return mix(...numbers) / 4_294_967_296;
}

export function randomAt(...numbers: readonly number[]): Random {
  return seededRandom(mix(...numbers));
}

/** A whole number from `least` to `most`. */
export function between(random: Random, least: number, most: number): number {
  return least + Math.floor(random.next() * (most - least + 1));
}

export function oneOf<T>(random: Random, items: readonly [T, ...T[]]): T {
  return items[Math.floor(random.next() * items.length)] ?? items[0];
}
