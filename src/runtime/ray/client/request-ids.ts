/** Ray answers an id outside 1 … 2³¹−1 to nobody. */
const MAX_REQUEST_ID = 2 ** 31 - 1;

/**
 * Ids of the requests of one session: rising from 1, starting again at 1 after 2³¹−1, never one that still waits.
 * @param last the id before the first; tests start near the end.
 */
export function createRequestIds(isWaiting: (id: number) => boolean, last = 0): () => number {
  let current = last;
  return () => {
    do {
      current = current >= MAX_REQUEST_ID ? 1 : current + 1;
    } while (isWaiting(current));
    return current;
  };
}
