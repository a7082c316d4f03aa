/**
 * Which cases are like a signature: weighted Jaccard over its names, each weighted by how seldom it moves (inverse document
 * frequency), since what moves in every incident tells little. An inverted index: only cases that share a name are looked at.
 */
export interface LikeCase {
  readonly id: string;
  /** 0 to 1; 1 for the same names. */
  readonly likeness: number;
}

export class CaseIndex {
  readonly #signatures = new Map<string, readonly string[]>();
  readonly #byName = new Map<string, Set<string>>();

  get size(): number {
    return this.#signatures.size;
  }

  put(id: string, signature: readonly string[]): void {
    this.#remove(id);
    const names = [...new Set(signature)];
    this.#signatures.set(id, names);
    for (const name of names) {
      const ids = this.#byName.get(name);
      if (ids === undefined) this.#byName.set(name, new Set([id]));
      else ids.add(id);
    }
  }

  clear(): void {
    this.#signatures.clear();
    this.#byName.clear();
  }

  /** The likest first; equals in the order of their ids. */
  recall(signature: readonly string[], limit: number, minLikeness: number): LikeCase[] {
    const names = [...new Set(signature)];
    const shared = new Map<string, number>();
    for (const name of names) {
      const weight = this.#weight(name);
      for (const id of this.#byName.get(name) ?? []) shared.set(id, (shared.get(id) ?? 0) + weight);
    }
    const own = this.#weigh(names);
    const found: LikeCase[] = [];
    for (const [id, both] of shared) {
      const either = own + this.#weigh(this.#signatures.get(id) ?? []) - both;
      const likeness = Math.min(1, both / either);
      if (likeness >= minLikeness) found.push({ id, likeness });
    }
    return found.sort((a, b) => b.likeness - a.likeness || (a.id < b.id ? -1 : 1)).slice(0, limit);
  }

  #remove(id: string): void {
    for (const name of this.#signatures.get(id) ?? []) {
      const ids = this.#byName.get(name);
      ids?.delete(id);
      if (ids?.size === 0) this.#byName.delete(name);
    }
    this.#signatures.delete(id);
  }

  #weigh(names: readonly string[]): number {
    let sum = 0;
    for (const name of names) sum += this.#weight(name);
    return sum;
  }

  #weight(name: string): number {
    return Math.log(1 + (1 + this.#signatures.size) / (1 + (this.#byName.get(name)?.size ?? 0)));
  }
}
