/**
 * `it` and `describe` of what brings an organism up: its database is PostgreSQL, since SQLite is a file of one node.
 * Where there is no server they are skipped, their hooks too; setup.ts says so, and on CI it fails.
 */
import { describe as describeAlways, inject, it as itAlways } from "vitest";

const isMissing = !inject("hasPostgres");

export const it: typeof itAlways = isMissing ? (itAlways.skip as typeof itAlways) : itAlways;
export const describe: typeof describeAlways = isMissing
  ? (describeAlways.skip as typeof describeAlways)
  : describeAlways;
