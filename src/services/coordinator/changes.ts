/** What was changed in the world, shown in the incidents it may have to do with. */
import type { CompiledQuery } from "kysely";
import type { z } from "zod";
import type { Change, RecordedChange } from "#contracts/incident.ts";
import type { Clock } from "#core/clock.ts";
import type { Ids } from "#core/ids.ts";
import type { CoordinatorConfig } from "./config.ts";
import { isNearby } from "./incident.ts";
import type { IncidentStore } from "./incident-store.ts";
import type { OpenIncidents } from "./open-incidents.ts";
import type { OwnedWrite } from "./owned-write.ts";
import * as story from "./story.ts";
import type { Closing } from "./tasks.ts";

export interface ChangesDeps {
  readonly write: OwnedWrite;
  readonly store: IncidentStore;
  readonly open: OpenIncidents;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly config: () => CoordinatorConfig;
}

export function createChanges({ write, store, open, clock, ids, config }: ChangesDeps) {
  /** What records a change and shows it in the open incidents nearby; `cause`, which led to it, always is. */
  function record(change: RecordedChange, cause: string | null): Closing {
    const nowMs = clock.now();
    const limits = config().incidents;
    const near = open.all().filter((incident) => incident.id === cause || isNearby(incident, change.atMs, limits));
    return {
      statements: [
        store.insertChange(change),
        ...near.flatMap(({ id }) => [
          store.linkChange(id, change.id),
          store.tell(id, story.changed(change, nowMs)),
          store.touch(id, nowMs),
        ]),
      ],
      stored: () => {
        for (const { id } of near) open.touched(id, nowMs);
      },
    };
  }

  async function take(
    input: z.output<typeof Change>,
    under: number,
    storeAnswer: ((answer: { id: string }) => CompiledQuery) | undefined,
  ): Promise<{ id: string }> {
    const change: RecordedChange = { ...input, id: input.id ?? ids.next("change"), atMs: input.atMs ?? clock.now() };
    const answer = { id: change.id };
    const answered = storeAnswer === undefined ? [] : [storeAnswer(answer)];
    const isKnown = input.id !== undefined && (await store.hasChange(change.id));
    const effects = isKnown ? undefined : record(change, null);
    await write(under, [...(effects?.statements ?? []), ...answered]);
    effects?.stored();
    return answer;
  }

  return { record, take };
}
