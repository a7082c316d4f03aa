/** Counts how often a replica's place was filled again after it was lost, as far as this engine saw it. */
import type { Observed } from "./observation.ts";

export class RestartCounter {
  /** By application: replicas seen, each with its count, and counts of those that went without being asked to. */
  readonly #known = new Map<string, { readonly replicas: Map<string, number>; readonly lost: number[] }>();

  /** Takes one look at all applications. */
  look(observed: readonly Observed[]): void {
    for (const application of observed) {
      const { name, replicas, targetReplicas } = application;
      const known = this.#known.get(name) ?? { replicas: new Map<string, number>(), lost: [] };
      this.#known.set(name, known);
      const present = new Set(replicas.map(({ servedId }) => servedId));
      for (const [id, count] of known.replicas) {
        if (present.has(id)) continue;
        known.replicas.delete(id);
        known.lost.push(count + 1);
      }
      for (const id of present) {
        if (!known.replicas.has(id)) known.replicas.set(id, known.lost.pop() ?? 0);
      }
      // Fewer are wanted than there were: those places are gone for good.
      known.lost.splice(Math.max(0, targetReplicas - present.size));
    }
    const names = new Set(observed.map(({ name }) => name));
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
  }

  of(application: string, servedId: string): number {
    return this.#known.get(application)?.replicas.get(servedId) ?? 0;
  }
}
