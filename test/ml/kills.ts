/** Where the scoring process is killed: seeded batches over all files, as many of each as there are kills for. */
import { type Random, seededRandom } from "#core/random.ts";
import type { NabSeries } from "#testing/nab.ts";

export interface Kill {
  readonly source: string;
  /** First row of the batch. */
  readonly from: number;
  /** Of the batch's write. */
  readonly when: "before" | "during" | "after";
  /** From when the write was begun, for `during`. */
  readonly delayMs: number;
}

export interface Batch {
  readonly from: number;
  readonly to: number;
}

const MOST_ROWS = 400;

/** The file in batches of seeded sizes: the same in every process. */
export function batchesOf({ name, values }: NabSeries): Batch[] {
  const random = seededRandom(values.length + name.length);
  const batches: Batch[] = [];
  for (let from = 0; from < values.length; ) {
    const to = Math.min(values.length, from + 1 + Math.floor(random.next() * MOST_ROWS));
    batches.push({ from, to });
    from = to;
  }
  return batches;
}

/** In the order in which a process comes to them. */
export function planKills(files: readonly NabSeries[], count: number, seed: number): Kill[] {
  const random = seededRandom(seed);
  return files.flatMap((file, index) => {
    const share = Math.floor(((index + 1) * count) / files.length) - Math.floor((index * count) / files.length);
    return drawn(batchesOf(file), share, random).map(({ from }) => ({
      source: `${file.group}/${file.name}`,
      from,
      when: (["before", "during", "after"] as const)[Math.floor(random.next() * 3)] ?? "before",
      delayMs: Math.floor(random.next() * 3),
    }));
  });
}

/** So many different ones, in their order. */
function drawn<T>(all: readonly T[], count: number, random: Random): T[] {
  const indexes = new Set<number>();
  while (indexes.size < Math.min(count, all.length)) indexes.add(Math.floor(random.next() * all.length));
  return [...indexes].sort((a, b) => a - b).map((index) => all[index] as T);
}
