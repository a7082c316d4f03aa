/**
 * Crossings that began under a silence and go on. A silence says that nobody wants to hear of them for a time: what still
 * burns when the last one is over opens an incident then.
 */
import type { CompiledQuery } from "kysely";
import type { Crossing } from "#contracts/ml.ts";
import type { IncidentStore } from "./incident-store.ts";
import type { Silences } from "./silences.ts";

export interface SilencedDeps {
  readonly store: Pick<IncidentStore, "insertCrossing" | "silenced">;
  readonly silences: Pick<Silences, "now">;
}

export type Silenced = ReturnType<typeof createSilenced>;

export function createSilenced({ store, silences }: SilencedDeps) {
  /** With when the silence ends that is known to last longest. */
  const known = new Map<string, { readonly crossing: Crossing; readonly untilMs: number }>();

  async function read(): Promise<void> {
    const crossings = await store.silenced();
    known.clear();
    // Whether a silence still covers them is asked when they are looked at.
    for (const crossing of crossings) known.set(crossing.id, { crossing, untilMs: 0 });
  }

  return {
    read,

    /** What stores a crossing that a silence covers; undefined for one that none does. */
    async take(
      crossing: Crossing,
    ): Promise<{ readonly statement: CompiledQuery; readonly stored: () => void } | undefined> {
      const untilMs = (await silences.now())(crossing);
      if (untilMs === undefined) return undefined;
      return {
        statement: store.insertCrossing(crossing, null),
        stored: () => void known.set(crossing.id, { crossing, untilMs }),
      };
    },

    /** When the first of them may be covered no more. */
    nextMs: (): number => Math.min(...[...known.values()].map(({ untilMs }) => untilMs)),

    /** Those that no silence covers any more. */
    async over(): Promise<Crossing[]> {
      const over: Crossing[] = [];
      if (known.size === 0) return over;
      const untilOf = await silences.now();
      for (const [id, { crossing }] of known) {
        const untilMs = untilOf(crossing);
        if (untilMs === undefined) over.push(crossing);
        else known.set(id, { crossing, untilMs });
      }
      return over;
    },

    /** It has cleared, or belongs to an incident now. */
    forget: (id: string) => void known.delete(id),
  };
}
