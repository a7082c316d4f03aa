/**
 * One after another: whatever changes incidents waits for its turn. After a write that failed, perhaps half-way, the next
 * turn begins with reading anew.
 */
import { ServiceError } from "#core/service-error.ts";

export type Turns = ReturnType<typeof createTurns>;

export function createTurns(readAnew: () => Promise<void>) {
  let epoch: number | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let isDoubtful = false;

  async function certain(): Promise<void> {
    if (!isDoubtful) return;
    isDoubtful = false;
    try {
      await readAnew();
    } catch (error) {
      isDoubtful = true;
      throw error;
    }
  }

  return {
    isOwner: () => epoch !== undefined,
    isDoubtful: () => isDoubtful,

    /** What is in memory must be read again before it is relied on. */
    doubt(): void {
      isDoubtful = true;
    },

    /** @throws ServiceError NOT_OWNER */
    take<T>(work: (under: number) => Promise<T>): Promise<T> {
      const turn = last.then(async () => {
        const under = epoch;
        if (under === undefined) throw new ServiceError("NOT_OWNER", "The coordinator has moved.");
        await certain();
        return work(under);
      });
      last = turn.catch(() => {});
      return turn;
    },

    begin(under: number): void {
      epoch = under;
    },

    /** No turn begins any more; resolves when the last has ended. */
    async stop(): Promise<void> {
      epoch = undefined;
      await last;
      isDoubtful = false;
    },
  };
}
