/** Puts long-lived sources into the organism, and waits for a backfill where one was asked for. */
import { sleep, systemClock } from "#core/clock.ts";
import type { SourceStatus } from "#contracts/telemetry.ts";
import type { Connection } from "../../connect.ts";
import { CliError } from "../cli-error.ts";
import type { CommandContext } from "../context.ts";
import { formatCount } from "../format.ts";
import { createProgress } from "../progress.ts";
import type { LongLivedSource } from "./arguments.ts";

const LOOK_EVERY_MS = 250;
/** A source that fails at first may recover; one that fails this long is told, and stays. */
const PATIENCE_MS = 5_000;

/** The sources as they fare after they were put; a backfill is done, or Ctrl-C was pressed. */
export async function putSources(
  context: CommandContext,
  connection: Connection,
  sources: readonly LongLivedSource[],
): Promise<SourceStatus[]> {
  const telemetry = connection.getServiceClient("telemetry");
  for (const { name, spec } of sources) await telemetry.putSource({ name, spec });
  const names = new Set(sources.map(({ name }) => name));
  const hasBackfill = sources.some(({ spec }) => spec.kind === "prometheus" && spec.backfillMs > 0);
  const progress = createProgress(context.output);
  let failingSinceMs: number | undefined;
  for (;;) {
    const all = (await telemetry.sources({})).sources;
    const mine = all.filter(({ name }) => names.has(name));
    const failing = mine.find(({ state }) => state === "failing");
    failingSinceMs = failing === undefined ? undefined : (failingSinceMs ?? context.now());
    const isFilled = mine.every((source) => source.state === "running" && (source.backfillRatio ?? 1) >= 1);
    if (isFilled || context.signal.aborted || (!hasBackfill && mine.every(({ state }) => state !== "waiting"))) {
      progress.clear();
      return mine;
    }
    if (failing !== undefined && context.now() - (failingSinceMs ?? 0) > PATIENCE_MS) {
      progress.clear();
      throw failingSource(failing);
    }
    const points = mine.reduce((sum, source) => sum + source.points, 0);
    const ratio = Math.min(...mine.map((source) => source.backfillRatio ?? 0));
    progress.show(hasBackfill ? ratio : undefined, `${formatCount(points)} points`);
    await sleep(systemClock, LOOK_EVERY_MS, context.signal).catch(() => {});
  }
}

/** It stays, and may recover; whoever asked for it should know. */
export function failingSource({ name, error }: SourceStatus): CliError {
  return new CliError(`"${name}" is watched, but fails: ${error}`, {
    code: "SOURCE_FAILING",
    todo: [
      "It is tried again by itself; look at it: seedcore sources",
      `Or forget it: seedcore sources remove ${name}`,
    ],
  });
}
