/** Whether the causes of an incident that were acted on were right: what an action did says something of the remedy first. */
import { type ActionRecord, isEnded, isRepair } from "./action.ts";
import type { IncidentRecord } from "./incident.ts";

export interface CauseVerdict {
  /** The first that was an answer to the cause; how sure that was then is what is judged. */
  readonly actionId: string;
  readonly rawConfidence: number;
  readonly wasRight: boolean;
}

/**
 * One verdict for each cause that can be judged: right as soon as a remedy for it helped, wrong when its incident is over
 * and none did, though one was done, or another cause's did. What a person said of the incident stands above both.
 */
export function judgeCauses(
  incident: Pick<IncidentRecord, "state" | "label">,
  actions: readonly ActionRecord[],
): CauseVerdict[] {
  const begun = actions.filter((one) => isRepair(one) && typeof one.begunAtMs === "number" && one.cause !== null);
  const byCause = Map.groupBy(begun, ({ cause }) => JSON.stringify([cause?.service, cause?.kind]));
  return [...byCause.values()].flatMap((answers) => {
    const first = answers.find(({ rawConfidence }) => rawConfidence !== null);
    const wasRight = isRight(incident, answers, begun);
    if (first === undefined || first.rawConfidence === null || wasRight === null) return [];
    return [{ actionId: first.id, rawConfidence: first.rawConfidence, wasRight }];
  });
}

function isRight(
  { state, label }: Pick<IncidentRecord, "state" | "label">,
  answers: readonly ActionRecord[],
  begun: readonly ActionRecord[],
): boolean | null {
  if (label === "not-an-incident") return false;
  if (answers.some((one) => hasHelped(one) === true)) return true;
  const isPending = answers.some((one) => !isEnded(one) && hasHelped(one) === null);
  if (state !== "resolved" || isPending) return null;
  const wasWrong = answers.some((one) => hasHelped(one) === false) || begun.some((one) => hasHelped(one) === true);
  return wasWrong ? false : null;
}

/** Null when nobody knows, or it was never done. */
export function hasHelped({ state, undoTaskId }: Pick<ActionRecord, "state" | "undoTaskId">): boolean | null {
  if (state === "helped") return true;
  return state === "useless" || state === "undoing" || undoTaskId !== null ? false : null;
}
