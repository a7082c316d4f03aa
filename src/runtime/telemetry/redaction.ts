const SECRET_NAMES = new Set([
  "authorization",
  "cookie",
  "token",
  "key",
  "apikey",
  "privatekey",
  "secret",
  "password",
  "databaseurl",
]);

const MAX_DEPTH = 6;

/**
 * The fields with every member whose name is exactly that of a secret blanked (case and `-`, `_` do not matter), at any
 * depth up to six; what lies deeper is left out. Errors become plain objects with their cause, code and stack.
 */
export function redacted(fields: object): Record<string, unknown> {
  return clean(fields, 0) as Record<string, unknown>;
}

function clean(value: unknown, depth: number): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (depth === MAX_DEPTH) return "[deeper]";
  if (value instanceof Error) return cleanError(value, depth);
  if (Array.isArray(value)) return value.map((member) => clean(member, depth + 1));
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if ("toJSON" in value && typeof value.toJSON === "function") return clean(value.toJSON(), depth + 1);
  const result: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    result[name] = SECRET_NAMES.has(name.toLowerCase().replace(/[-_]/g, "")) ? "[redacted]" : clean(member, depth + 1);
  }
  return result;
}

function cleanError(error: Error, depth: number): object {
  const code = (error as { code?: unknown }).code;
  return {
    type: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: clean(error.cause, depth + 1) }),
  };
}
