/** Values checked against a contract's schemas, with errors that name the field. */

import type { z } from "zod";
import type { Procedure } from "#core/contract.ts";
import { ServiceError } from "#core/service-error.ts";

/** One field that is wrong; `path` is dotted, empty for the value as a whole. */
export interface FieldIssue {
  readonly path: string;
  readonly message: string;
}

/** @throws ServiceError INVALID_INPUT whose data is `{ issues: FieldIssue[] }` */
export function parseInput(name: string, declared: Pick<Procedure, "input">, input: unknown): Record<string, unknown> {
  const parsed = declared.input.safeParse(input);
  if (parsed.success) return parsed.data;
  const issues = toFieldIssues(parsed.error);
  throw new ServiceError("INVALID_INPUT", `${name} was given a wrong input: ${toSentence(issues)}`, {
    data: { issues },
  });
}

/** @throws ServiceError BAD_OUTPUT: the service answered something its contract does not declare. */
export function parseOutput(name: string, declared: Procedure, output: unknown): unknown {
  const parsed = declared.output.safeParse(output);
  if (parsed.success) return parsed.data;
  const issues = toFieldIssues(parsed.error);
  throw new ServiceError("BAD_OUTPUT", `${name} answered against its contract: ${toSentence(issues)}`, {
    data: { issues },
  });
}

export function toFieldIssues(error: z.ZodError): FieldIssue[] {
  return error.issues.map((issue) => ({ path: issue.path.map(String).join("."), message: issue.message }));
}

/** The first three, for people. */
function toSentence(issues: readonly FieldIssue[]): string {
  const shown = issues.slice(0, 3).map((issue) => `${issue.path === "" ? "the value" : issue.path}: ${issue.message}`);
  const more = issues.length - shown.length;
  return `${shown.join("; ")}${more > 0 ? `; and ${more} more` : ""}.`;
}
