/**
 * The words of a text, for search: lower case, without accents, cut at everything that is neither letter nor digit, and
 * between `camelCase` parts, since much of what is remembered are names of series and services.
 */
export function tokenize(text: string): string[] {
  const plain = text
    .replace(/(\p{Ll}|\d)(\p{Lu})/gu, "$1 $2")
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase();
  return plain.match(/[\p{L}\p{N}]+/gu) ?? [];
}
