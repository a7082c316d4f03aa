/** Sharded state is cut into this many shards; the number is part of the stored format and never changes. */
export const SHARD_COUNT = 256;

/** The shard of a key: FNV-1a over its UTF-16 units, folded to 8 bits. */
export function shardOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) {
    hash ^= key.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return ((hash >>> 24) ^ (hash >>> 16) ^ (hash >>> 8) ^ hash) & 0xff;
}

/** Shards as ranges for people and for the wire: `0-127,130`. */
export function toShardRanges(shards: Iterable<number>): string {
  const sorted = [...shards].sort((a, b) => a - b);
  const ranges: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    const first = sorted[i] ?? 0;
    let last = first;
    while (sorted[i + 1] === last + 1) {
      last++;
      i++;
    }
    ranges.push(first === last ? `${first}` : `${first}-${last}`);
    i++;
  }
  return ranges.join(",");
}
