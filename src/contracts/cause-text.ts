/** How causes are written for people, the same wherever one is. No schema is here: the page has it, too. */

/** `latency of shop-stock`, `load`, `not known`. */
export function causeName(cause: { readonly service: string | null; readonly kind: string } | null): string {
  if (cause === null || cause.kind === "unknown") return "not known";
  return cause.service === null ? cause.kind : `${cause.kind} of ${cause.service}`;
}
