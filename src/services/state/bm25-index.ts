/** Texts by relevance to a query: BM25 (Robertson and Zaragoza 2009) over an inverted index in memory. */
import { tokenize } from "./tokenize.ts";

/** How fast repeated words stop counting, and how much long texts are held back. */
const K1 = 1.2;
const B = 0.75;

export interface Hit {
  readonly id: string;
  readonly relevance: number;
}

interface Entry {
  readonly kind: string;
  readonly length: number;
  readonly words: ReadonlySet<string>;
}

export class Bm25Index {
  /** Word → text → how often it is in it. */
  readonly #postings = new Map<string, Map<string, number>>();
  readonly #entries = new Map<string, Entry>();
  #totalLength = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** Adds a text, or replaces the one with its id. */
  put(id: string, kind: string, text: string): void {
    this.remove(id);
    const counts = new Map<string, number>();
    const words = tokenize(text);
    for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
    for (const [word, count] of counts) {
      let posting = this.#postings.get(word);
      if (posting === undefined) this.#postings.set(word, (posting = new Map()));
      posting.set(id, count);
    }
    this.#entries.set(id, { kind, length: words.length, words: new Set(counts.keys()) });
    this.#totalLength += words.length;
  }

  remove(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    for (const word of entry.words) {
      const posting = this.#postings.get(word);
      posting?.delete(id);
      if (posting?.size === 0) this.#postings.delete(word);
    }
    this.#entries.delete(id);
    this.#totalLength -= entry.length;
  }

  /** The best texts, best first; of equals the lower id. Texts without any word of the query are no hits. */
  search(query: string, kind: string | undefined, limit: number): Hit[] {
    const meanLength = this.#totalLength / Math.max(1, this.size);
    const scores = new Map<string, number>();
    for (const word of new Set(tokenize(query))) {
      const posting = this.#postings.get(word);
      if (posting === undefined) continue;
      const rarity = Math.log(1 + (this.size - posting.size + 0.5) / (posting.size + 0.5));
      for (const [id, count] of posting) {
        const entry = this.#entries.get(id);
        if (entry === undefined || (kind !== undefined && entry.kind !== kind)) continue;
        const damping = K1 * (1 - B + (B * entry.length) / meanLength);
        scores.set(id, (scores.get(id) ?? 0) + (rarity * count * (K1 + 1)) / (count + damping));
      }
    }
    return [...scores]
      .map(([id, relevance]) => ({ id, relevance }))
      .sort((a, b) => b.relevance - a.relevance || (a.id < b.id ? -1 : 1))
      .slice(0, limit);
  }
}
