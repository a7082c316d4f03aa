/** What fails now. */
import { computed, signal } from "@preact/signals";
import { Refusal } from "./api.ts";

/** In a sentence each, by who asked. */
const troubles = signal<ReadonlyMap<unknown, string>>(new Map());

/** In a sentence; empty while all is well. */
export const trouble = computed(() => [...troubles.value.values()][0] ?? "");

/** Of an error for people: what the organism refused, in its own words, or that it does not answer. */
export function whyOf(error: unknown): string {
  return error instanceof Refusal ? error.message : "The organism does not answer. Trying again.";
}

/** @param text empty when all is well for the one who tells; it says nothing of what another asks for */
export function tell(who: unknown, text: string): void {
  if ((troubles.peek().get(who) ?? "") === text) return;
  const next = new Map(troubles.peek());
  if (text === "") next.delete(who);
  else next.set(who, text);
  troubles.value = next;
}
