/**
 * Which cases are like a signature: Tversky's index over its names (A. Tversky, "Features of Similarity", 1977), each weighted
 * by how seldom it moves (inverse document frequency), since what moves in every incident tells little. What moved and is not
 * in the case counts against it in full, what is in the case and has not moved by half: an incident is asked about while it
 * is young, and the rest may still come. An inverted index: only cases that share a name are looked at.
 * Weights and totals are summed in the order of the names, so that every replica finds the same, to the last bit.
 */
export interface LikeCase {
  readonly id: string;
  /** 0 to 1; 1 for the same names. Not the same both ways. */
  readonly likeness: number;
}

interface Entry {
  readonly id: string;
  /** Numbers of its names, in the order of the names. */
  readonly names: Int32Array;
  readonly slot: number;
}

/** What follows from all cases together; made anew when it is asked for after a change. */
interface Weights {
  /** By the number of a name. */
  readonly of: Float64Array;
  /** Of a name that no case has. */
  readonly unknown: number;
  /** By slot, the sum over a case's names. */
  readonly totals: Float64Array;
}

/** How much a name counts that the case has and the signature has not. */
const MISSING = 0.5;

export class CaseIndex {
  readonly #entries = new Map<string, Entry>();
  /** A case's place in arrays: lasting, and taken again when it is free. */
  readonly #slots: (Entry | undefined)[] = [];
  readonly #free: number[] = [];
  /** Names are numbered as they come, and their numbers last: there are as many as series. */
  readonly #numbers = new Map<string, number>();
  /** By the number of a name, the slots of the cases that have it. */
  readonly #slotsOf: Set<number>[] = [];
  #weights: Weights | undefined;

  get size(): number {
    return this.#entries.size;
  }

  put(id: string, signature: readonly string[]): void {
    const names = Int32Array.from(inOrder(signature), (name) => this.#numberOf(name));
    const known = this.#entries.get(id);
    if (known !== undefined && known.names.length === names.length && names.every((name, i) => name === known.names[i]))
      return;
    this.#remove(known);
    const slot = this.#free.pop() ?? this.#slots.length;
    const entry = { id, names, slot };
    this.#entries.set(id, entry);
    this.#slots[slot] = entry;
    for (const name of names) this.#slotsOf[name]?.add(slot);
    this.#weights = undefined;
  }

  clear(): void {
    this.#entries.clear();
    this.#slots.length = 0;
    this.#free.length = 0;
    this.#numbers.clear();
    this.#slotsOf.length = 0;
    this.#weights = undefined;
  }

  /** The likest first; equals in the order of their ids. */
  recall(signature: readonly string[], limit: number, minLikeness: number): LikeCase[] {
    const weights = (this.#weights ??= this.#weigh());
    const shared = new Float64Array(this.#slots.length);
    const touched: number[] = [];
    let own = 0;
    for (const name of inOrder(signature)) {
      const number = this.#numbers.get(name);
      const weight = number === undefined ? weights.unknown : (weights.of[number] as number);
      own += weight;
      for (const slot of number === undefined ? [] : (this.#slotsOf[number] as Set<number>)) {
        if (shared[slot] === 0) touched.push(slot);
        shared[slot] = (shared[slot] as number) + weight;
      }
    }
    const best: LikeCase[] = [];
    for (const slot of touched) {
      const both = shared[slot] as number;
      const missing = (weights.totals[slot] as number) - both;
      const likeness = Math.min(1, both / (own + MISSING * missing));
      if (likeness >= minLikeness) keep(best, { id: (this.#slots[slot] as Entry).id, likeness }, limit);
    }
    return best;
  }

  #remove(entry: Entry | undefined): void {
    if (entry === undefined) return;
    for (const name of entry.names) this.#slotsOf[name]?.delete(entry.slot);
    this.#slots[entry.slot] = undefined;
    this.#free.push(entry.slot);
    this.#entries.delete(entry.id);
  }

  #numberOf(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.#slotsOf.length);
    return this.#slotsOf.push(new Set()) - 1;
  }

  #weigh(): Weights {
    const size = this.#entries.size;
    const weightOf = (cases: number) => Math.log(1 + (1 + size) / (1 + cases));
    const of = Float64Array.from(this.#slotsOf, (slots) => weightOf(slots.size));
    const totals = new Float64Array(this.#slots.length);
    for (const { names, slot } of this.#entries.values()) {
      let sum = 0;
      for (let i = 0; i < names.length; i++) sum += of[names[i] as number] as number;
      totals[slot] = sum;
    }
    return { of, unknown: weightOf(0), totals };
  }
}

const inOrder = (names: readonly string[]): string[] => [...new Set(names)].sort();

/** Puts it where it belongs among the best, of which there are `limit` at most. */
function keep(best: LikeCase[], one: LikeCase, limit: number): void {
  let at = best.length;
  while (at > 0 && isBetter(one, best[at - 1] as LikeCase)) at--;
  if (at >= limit) return;
  best.splice(at, 0, one);
  if (best.length > limit) best.pop();
}

const isBetter = (a: LikeCase, b: LikeCase): boolean =>
  a.likeness > b.likeness || (a.likeness === b.likeness && a.id < b.id);
