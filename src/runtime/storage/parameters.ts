import type { CompiledQuery } from "kysely";
import { ServiceError } from "#core/service-error.ts";

/**
 * Refuses what cannot be stored as what it is, alike for every database.
 * @throws TypeError for a defect of the caller's; ServiceError INVALID_INPUT for a text that PostgreSQL cannot hold.
 */
export function checkParameters(query: CompiledQuery<unknown>): void {
  for (const value of query.parameters) {
    const kind = typeof value;
    if (kind === "string") {
      if ((value as string).includes("\0")) throw nulCharacter(value as string);
      continue;
    }
    if (kind === "boolean" || kind === "bigint" || value === null) continue;
    if (kind === "number" && !Number.isNaN(value)) continue;
    if (value instanceof Uint8Array) continue;
    throw new TypeError(
      `A parameter of "${query.sql}" is ${Number.isNaN(value) ? "NaN" : kind}. ` +
        "A database takes strings, numbers, booleans, null and Uint8Array; write objects as JSON.",
    );
  }
}

function nulCharacter(text: string): ServiceError {
  const start = JSON.stringify(text.slice(0, 60));
  return new ServiceError(
    "INVALID_INPUT",
    `The text ${start} contains the character U+0000, which cannot be stored. Leave it out.`,
    { started: "no" },
  );
}
