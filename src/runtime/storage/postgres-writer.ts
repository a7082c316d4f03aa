/** Commits a group of writes over one session; each happens whole or not at all, whatever becomes of the others. */
import { CompiledQuery } from "kysely";
import { WriteRefused, type WriteResult } from "./database.ts";
import { isStalePlan, type PostgresFailure, toFailure, toStorageError } from "./postgres-errors.ts";
import type { Answer, Session } from "./postgres-session.ts";
import type { PendingWrite } from "./write-group.ts";

/** What became of one write. */
export type Outcome =
  | { readonly kind: "written"; readonly results: readonly WriteResult[] }
  | { readonly kind: "failed"; readonly error: Error };

/** The whole group came to nothing, or, when the commit was under way, perhaps not to nothing. */
export class GroupFailed extends Error {
  override readonly name = "GroupFailed";
  readonly failure: PostgresFailure;
  readonly isOutcomeUnknown: boolean;

  constructor(failure: PostgresFailure, isOutcomeUnknown = false) {
    super(failure.detail);
    this.failure = failure;
    this.isOutcomeUnknown = isOutcomeUnknown;
  }
}

type Group = readonly PendingWrite[];

// Under read committed a statement that waited for a row sees what became of it. So a guard that locks its row
// (`for share`) either sees the newer epoch, or holds up the claim until its write is committed.
const BEGIN = CompiledQuery.raw("begin isolation level read committed");
const COMMIT = CompiledQuery.raw("commit");
const ROLLBACK = CompiledQuery.raw("rollback");
const SAVEPOINT = CompiledQuery.raw("savepoint one");
const RELEASE = [CompiledQuery.raw("release one")];
const UNDO = [CompiledQuery.raw("rollback to one"), ...RELEASE];

/**
 * Two round trips when all succeeds. Otherwise all is undone and done again with a savepoint for each write, one round
 * trip each. @throws GroupFailed
 */
export async function commitGroup(session: Session, group: Group, address: string): Promise<Outcome[]> {
  const [begun, ...answers] = await session.run([BEGIN, ...queriesOf(group)]);
  stopOnLoss([begun as Answer, ...answers]);
  const outcomes = group.map((write) => outcomeOf(write, answers.splice(0, write.statements.length), address));
  if (outcomes.every(({ kind }) => kind === "written")) {
    await commit(session);
    return outcomes;
  }
  stopOnLoss(await session.run([ROLLBACK]));
  return group.length === 1 ? outcomes : commitApart(session, group, address);
}

async function commitApart(session: Session, group: Group, address: string): Promise<Outcome[]> {
  stopOnLoss(await session.run([BEGIN]));
  const outcomes: Outcome[] = [];
  let before: readonly CompiledQuery[] = [];
  for (const write of group) {
    const answers = await session.run([...before, SAVEPOINT, ...queriesOf([write])]);
    const outcome = outcomeOf(write, answers.slice(before.length + 1), address);
    stopOnLoss(answers);
    outcomes.push(outcome);
    before = outcome.kind === "written" ? RELEASE : UNDO;
  }
  stopOnLoss(await session.run([...before]));
  await commit(session);
  return outcomes;
}

async function commit(session: Session): Promise<void> {
  const [answer] = await session.run([COMMIT]);
  if (answer?.ok === true && answer.command === "COMMIT") return;
  const failure: PostgresFailure =
    answer?.ok === false ? toFailure(answer.error) : { kind: "again", detail: "the commit became a rollback" };
  // An error that leaves the connection alive says that nothing was committed; a lost connection says nothing.
  throw new GroupFailed(failure, failure.kind === "lost");
}

function queriesOf(group: Group): CompiledQuery<unknown>[] {
  return group.flatMap(({ statements }) => statements.map(({ query }) => query));
}

/** Throws for the first failure that concerns the group, not a single write. */
function stopOnLoss(answers: readonly Answer[]): void {
  for (const answer of answers) {
    if (answer.ok) continue;
    if (isStalePlan(answer.error)) throw new GroupFailed({ kind: "lost", reason: "lost", detail: "a plan was stale" });
    const failure = toFailure(answer.error);
    if (failure.kind === "statement" || failure.kind === "held-up") return;
    throw new GroupFailed(failure);
  }
}

function outcomeOf({ statements }: PendingWrite, answers: readonly Answer[], address: string): Outcome {
  const results: WriteResult[] = [];
  for (const [index, { query, expectRows }] of statements.entries()) {
    const answer = answers[index];
    if (answer?.ok !== true) return { kind: "failed", error: toError(answer?.error, query.sql, address) };
    const { rowCount, rows } = answer;
    if (expectRows !== undefined && rowCount !== expectRows) {
      return { kind: "failed", error: new WriteRefused(index, expectRows, rowCount) };
    }
    results.push({ rowCount, rows });
  }
  return { kind: "written", results };
}

/** What a statement's failure is to who asked for it. */
export function toError(thrown: unknown, sql: string, address: string): Error {
  const failure = toFailure(thrown);
  if (failure.kind === "statement") return new Error(`${failure.detail}, in: ${sql}`);
  if (failure.kind === "again") return toStorageError(address, "contended", failure.detail);
  return toStorageError(address, failure.reason, failure.detail);
}
