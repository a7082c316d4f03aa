import type { Output } from "./output.ts";

export interface Progress {
  /** @param ratio 0 to 1; undefined when the end is not known */
  show(ratio: number | undefined, text: string): void;
  /** Removes the bar. */
  clear(): void;
}

const SHOW_AFTER_MS = 1_000;
const REDRAW_MS = 100;
const BAR_WIDTH = 24;

/** A bar on standard error, from the second second on, only where a person watches. */
export function createProgress(output: Output, monotonicMs: () => number = () => performance.now()): Progress {
  const startMs = monotonicMs();
  let drawnAtMs = 0;
  let shown = false;
  return {
    show(ratio, text) {
      const nowMs = monotonicMs();
      if (!output.interactive || nowMs - startMs < SHOW_AFTER_MS || nowMs - drawnAtMs < REDRAW_MS) return;
      drawnAtMs = nowMs;
      shown = true;
      const line = `${ratio === undefined ? "" : `${bar(ratio)} `}${text}`;
      output.progress(`\r\u001b[K${line.slice(0, Math.max(20, output.width - 1))}`);
    },
    clear() {
      if (shown) output.progress("\r\u001b[K");
      shown = false;
    },
  };
}

function bar(ratio: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, ratio)) * BAR_WIDTH);
  return `${"█".repeat(filled)}${"░".repeat(BAR_WIDTH - filled)} ${Math.floor(Math.min(1, ratio) * 100)
    .toString()
    .padStart(3)} %`;
}
