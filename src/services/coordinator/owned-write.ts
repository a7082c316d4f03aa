import type { CompiledQuery } from "kysely";
import type { Write, WriteResult } from "#runtime/storage/database.ts";
import type { ShardEpochs } from "#runtime/storage/shard-epochs.ts";

/**
 * A write of the coordinator's one owner.
 * @throws ServiceError NOT_OWNER once another replica has taken over; WriteRefused when a row was changed meanwhile.
 */
export type OwnedWrite = (
  epoch: number,
  statements: readonly (Write | CompiledQuery<unknown>)[],
) => Promise<readonly WriteResult[]>;

/** The same; `doubt` is told of every write that failed: perhaps only its answer was lost, or a row is not as memory has it. */
export function orDoubt(write: OwnedWrite, doubt: () => void): OwnedWrite {
  return async (epoch, statements) => {
    try {
      return await write(epoch, statements);
    } catch (error) {
      doubt();
      throw error;
    }
  };
}

export function createOwnedWrite(epochs: ShardEpochs): OwnedWrite {
  return (epoch, statements) => epochs.write({ service: "coordinator", shard: 0, epoch }, statements);
}
