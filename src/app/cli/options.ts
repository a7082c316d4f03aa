/** Option values, from text. */
import { toMilliseconds } from "#core/duration.ts";
import { usageError } from "./cli-error.ts";

/** @throws CliError for anything but a whole number of the range */
export function toInteger(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw usageError(`${option} ${text}: it must be a whole number from ${min} to ${max}.`);
}

/** @throws CliError for anything but a number of at least 0 */
export function toAmount(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= 0) return value;
  throw usageError(`${option} ${text}: it must be a number, 0 or more.`);
}

/** @throws CliError for anything but a duration such as 30s */
export function toDuration(option: string, text: string): number {
  try {
    return toMilliseconds(text);
  } catch (error) {
    throw usageError(`${option}: ${(error as Error).message}`);
  }
}

/** @throws CliError for anything but a JSON object */
export function toJsonObject(option: string, text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw usageError(`${option} ${text.slice(0, 200)}: it is not JSON (${(error as Error).message}).`, JSON_HELP);
  }
  throw usageError(`${option} ${text.slice(0, 200)}: it must be a JSON object.`, JSON_HELP);
}

const JSON_HELP = `Quote it for the shell: '{"name":"value"}'.`;
