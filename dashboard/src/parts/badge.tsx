/** A state in a word and a colour; the word is enough. */
const TONES: Readonly<Record<string, "good" | "bad" | "wait" | "calm">> = {
  ready: "good",
  running: "good",
  helped: "good",
  done: "good",
  succeeded: "good",
  open: "bad",
  failed: "bad",
  failing: "bad",
  backoff: "bad",
  useless: "bad",
  undone: "bad",
  high: "bad",
  proposed: "wait",
  held: "wait",
  acting: "wait",
  checking: "wait",
  undoing: "wait",
  unknown: "wait",
  starting: "wait",
  draining: "wait",
  scheduled: "wait",
  queued: "wait",
  waiting: "wait",
  medium: "wait",
};

export function Badge({ of }: { readonly of: string }) {
  return <span class={`badge ${TONES[of] ?? "calm"}`}>{of}</span>;
}
