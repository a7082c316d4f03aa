/**
 * Makes `work` run one at a time: a call during a run makes one more run after it, however many ask, and resolves with
 * that one. A failure of the last run is every waiting caller's.
 */
export function coalesce(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let again = false;

  const run = async () => {
    try {
      do {
        again = false;
        await work();
      } while (again);
    } finally {
      // In the same turn as the last look at `again`: a caller in between would wait for a run that never comes.
      running = undefined;
    }
  };

  return () => {
    if (running === undefined) running = run();
    else again = true;
    return running;
  };
}
