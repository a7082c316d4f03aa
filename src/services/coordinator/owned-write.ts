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

export function createOwnedWrite(epochs: ShardEpochs): OwnedWrite {
  return (epoch, statements) => epochs.write({ service: "coordinator", shard: 0, epoch }, statements);
}
