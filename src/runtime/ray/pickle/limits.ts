/** What one pickle may cost its reader. The defaults allow large results and refuse what only an attacker would send. */
export interface PickleLimits {
  /** Length of the input. @default 536870912 (512 MiB) */
  readonly maxInputBytes: number;
  /** Opcodes executed; bounds time, and the stack. @default 20000000 */
  readonly maxOperations: number;
  /** Values that can be referred to again. @default 10000000 */
  readonly maxMemoEntries: number;
  /** Longest chain of values inside values. Python's own pickler gives up near 1,000. @default 1000 */
  readonly maxDepth: number;
  /** Longest integer. @default 65536 */
  readonly maxIntegerBytes: number;
  /**
   * Size the result would have were nothing in it shared: 16 for each value plus the length of its text or bytes. A pickle
   * of 1 kB can stand for a tree of 10⁹ leaves, harmless until somebody prints it. @default 2147483648 (2 GiB)
   */
  readonly maxExpandedBytes: number;
}

export const DEFAULT_LIMITS: PickleLimits = {
  maxInputBytes: 512 * 1024 * 1024,
  maxOperations: 20_000_000,
  maxMemoEntries: 10_000_000,
  maxDepth: 1_000,
  maxIntegerBytes: 65_536,
  maxExpandedBytes: 2 * 1024 * 1024 * 1024,
};
