/** Whether tasks, changes and incidents are what was acknowledged, each exactly once. Pure: it is given what was read. */
import type { Sent } from "./ledger.ts";

export interface StoredTask {
  readonly id: string;
  readonly description: string;
  readonly state: string;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** Tasks are told apart by their description, which is the marker. */
export function checkTasks(sent: readonly Sent[], stored: readonly StoredTask[]): string[] {
  const wrong = checkOnce(
    "task",
    sent,
    stored.map(({ id, description }) => ({ id, marker: description })),
  );
  for (const { id, description, state, error } of stored) {
    if (state === "succeeded") continue;
    wrong.push(`task ${id} (${description}) is ${state}${error === null ? "" : `: ${error.code} ${error.message}`}`);
  }
  return wrong;
}

/** Everything acknowledged is there once, under its id; what is unknown at most once; and nothing else. */
export function checkOnce(
  what: string,
  sent: readonly Sent[],
  stored: readonly { readonly id: string; readonly marker: string }[],
): string[] {
  const wrong: string[] = [];
  const byMarker = Map.groupBy(stored, ({ marker }) => marker);
  for (const { marker, id } of sent) {
    const found = byMarker.get(marker) ?? [];
    byMarker.delete(marker);
    if (found.length > 1) wrong.push(`${what} ${marker} is there ${found.length} times: ${ids(found)}`);
    else if (id === undefined) continue;
    else if (found.length === 0) wrong.push(`${what} ${marker} was acknowledged as ${id} and is not there`);
    else if (found[0]?.id !== id)
      wrong.push(`${what} ${marker} was acknowledged as ${id} and is there as ${ids(found)}`);
  }
  for (const [marker, found] of byMarker) wrong.push(`${what} ${marker} (${ids(found)}) was never sent`);
  return wrong;
}

export interface StoredIncident {
  readonly id: string;
  readonly decision: { readonly taskId: string | null } | null;
  readonly crossings: readonly { readonly id: string }[];
  readonly story: readonly { readonly kind: string }[];
  readonly tasks: readonly { readonly id: string; readonly state: string }[];
}

/**
 * @param mustBe ids of crossings that the stored points led to
 * @param acknowledged those that answers told of
 * @param links crossings and their incidents as the database has them
 */
export function checkIncidents(
  mustBe: readonly string[],
  acknowledged: readonly string[],
  links: readonly { readonly crossing: string; readonly incident: string }[],
  incidents: readonly StoredIncident[],
): string[] {
  const wrong: string[] = [];
  const expected = new Set(mustBe);
  if (expected.size !== mustBe.length) wrong.push("two crossings of the stored points have one id");
  for (const id of acknowledged) {
    if (!expected.has(id)) wrong.push(`crossing ${id} was acknowledged, but the stored points do not lead to it`);
  }
  const byCrossing = Map.groupBy(links, ({ crossing }) => crossing);
  for (const id of expected) {
    const found = byCrossing.get(id) ?? [];
    if (found.length !== 1) wrong.push(`crossing ${id} is part of ${found.length} incidents`);
  }
  for (const { crossing } of links) if (!expected.has(crossing)) wrong.push(`crossing ${crossing} never happened`);
  for (const incident of incidents) wrong.push(...checkStory(incident, links));
  return wrong;
}

/** An incident shows each of its crossings once, tells of each once, and was acted on once. */
function checkStory(incident: StoredIncident, links: Parameters<typeof checkIncidents>[2]): string[] {
  const { id, crossings, story, tasks, decision } = incident;
  const wrong: string[] = [];
  const shown = new Set(crossings.map((crossing) => crossing.id));
  for (const { crossing, incident: of } of links) {
    if (of === id && !shown.has(crossing)) wrong.push(`incident ${id} does not show its crossing ${crossing}`);
  }
  const told = (...kinds: readonly string[]) => story.filter(({ kind }) => kinds.includes(kind)).length;
  if (told("noticed") !== 1) wrong.push(`the story of incident ${id} was begun ${told("noticed")} times`);
  if (told("noticed", "joined") !== crossings.length) {
    wrong.push(`incident ${id} tells of ${told("noticed", "joined")} crossings and has ${crossings.length}`);
  }
  if (told("decided") !== 1) wrong.push(`incident ${id} was decided ${told("decided")} times`);
  if (tasks.length !== 1 || tasks[0]?.id !== decision?.taskId) {
    wrong.push(`incident ${id} has the tasks ${ids(tasks)}; decided was ${decision?.taskId ?? "none"}`);
  }
  for (const task of tasks) {
    if (task.state !== "succeeded") wrong.push(`the task ${task.id} of incident ${id} is ${task.state}`);
  }
  if (told("outcome") !== 1) wrong.push(`incident ${id} tells of ${told("outcome")} outcomes of its one task`);
  return wrong;
}

function ids(found: readonly { readonly id: string }[]): string {
  return found.length === 0 ? "none" : found.map(({ id }) => id).join(", ");
}
