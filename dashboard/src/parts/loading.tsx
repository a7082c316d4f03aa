import type { ComponentChildren } from "preact";

/** What stands where nothing is known yet, or nothing is there. */
export function Empty({
  of,
  children,
}: {
  readonly of: readonly unknown[] | undefined;
  readonly children: ComponentChildren;
}) {
  if (of === undefined) return <p class="empty">Loading …</p>;
  return of.length === 0 ? <p class="empty">{children}</p> : null;
}
