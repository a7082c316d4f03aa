import type { Movement } from "./cognitive.ts";

/** The names by which incidents are compared: what moved and where to, such as `cart/latency:up`, in order, each once. */
export function signatureOf(movements: readonly Pick<Movement, "series" | "direction">[]): string[] {
  const names = movements.map(({ series, direction }) => `${series.replace(/^services\//, "")}:${direction}`);
  return [...new Set(names)].sort();
}
