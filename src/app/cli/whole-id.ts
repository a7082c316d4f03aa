import { usageError } from "./cli-error.ts";

export interface IdList {
  /** What they are the ids of, such as `actions`. */
  readonly kind: string;
  /** The command that lists them. */
  readonly list: string;
}

const NAMED = 5;

/**
 * The id that was given as it is, or by an end that no other of `ids` has. One that fits none comes back as it is.
 * @throws CliError naming those that fit, when several do
 */
export function toWholeId(given: string, ids: readonly string[], { kind, list }: IdList): string {
  // Every id ends with nothing: an empty variable in a script would choose one.
  if (given === "") throw usageError("The id is empty.", `List the ${kind}: ${list}`);
  if (ids.includes(given)) return given;
  const fitting = ids.filter((id) => id.endsWith(given));
  if (fitting.length <= 1) return fitting[0] ?? given;
  const more = fitting.length > NAMED ? ` and ${fitting.length - NAMED} more` : "";
  throw usageError(
    `"${given}" is the end of ${fitting.length} ${kind}: ${fitting.slice(0, NAMED).join(", ")}${more}.`,
    `Give more of the id; list them: ${list}`,
  );
}
