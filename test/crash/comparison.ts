/** Compares what the organism holds with what the writers know. Keeps its place, so that a round only reads what is new. */
import { checkIncidents, checkOnce, checkTasks } from "./check-coordinator.ts";
import { createSourceCheck, type SourceCheck } from "./check-source.ts";
import type { Sent, SourceLedger } from "./ledger.ts";
import type { StoredState } from "./stored-state.ts";

/** Everything that was sent since the last comparison. */
export interface Written {
  readonly sources: readonly SourceLedger[];
  readonly tasks: readonly Sent[];
  readonly changes: readonly Sent[];
  /** With which the markers of these changes begin. */
  readonly changesPrefix: string;
}

export class Comparison {
  readonly #stored: StoredState;
  readonly #checks = new Map<SourceLedger, SourceCheck>();
  /** Crossings of answers that were compared, by source. */
  readonly #acknowledged = new Map<SourceLedger, number>();
  #newestTask: string | undefined;
  #crossings = 0;

  constructor(stored: StoredState) {
    this.#stored = stored;
  }

  /** Adds to `wrong` whatever is not as it must be. @returns how many crossings the new points led to */
  async compare({ sources, tasks, changes, changesPrefix }: Written, wrong: string[]): Promise<number> {
    const crossings: string[] = [];
    for (const ledger of sources) {
      const check = this.#checks.get(ledger) ?? createSourceCheck(ledger);
      this.#checks.set(ledger, check);
      const found = check.check(await this.#stored.source(ledger, check), crossings);
      if (found !== undefined) wrong.push(found);
    }

    const storedTasks = await this.#stored.tasksAfter(this.#newestTask);
    this.#newestTask = storedTasks[0]?.id ?? this.#newestTask;
    wrong.push(...checkTasks(tasks, storedTasks));
    wrong.push(...checkOnce("change", changes, this.#stored.changes(changesPrefix)));

    const links = this.#stored.crossings(this.#crossings);
    this.#crossings += links.length;
    const incidents = await this.#stored.incidents(new Set(links.map(({ incident }) => incident)));
    wrong.push(
      ...checkIncidents(
        crossings,
        sources.flatMap((ledger) => this.#newCrossings(ledger)),
        links,
        incidents,
      ),
    );
    return crossings.length;
  }

  #newCrossings(ledger: SourceLedger): readonly string[] {
    const from = this.#acknowledged.get(ledger) ?? 0;
    this.#acknowledged.set(ledger, ledger.crossings.length);
    return ledger.crossings.slice(from);
  }
}
